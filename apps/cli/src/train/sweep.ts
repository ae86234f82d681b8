import { mostJobsAtOnce } from '@unfold/contracts';
import { type Draft, isObject, parseValue, setField, usage } from './draft.ts';
import { specOptions } from './spec-options.ts';

interface Swept {
  /** As it was written: what the runs are labelled with. */
  field: string;
  path: string;
  values: readonly unknown[];
}

/** A field by its path, or by the name of the option that sets it. */
const pathOf = (field: string): string =>
  specOptions.find(({ flags }) => flags.startsWith(`--${field} `))?.path ?? field;

/** Commas within lists, objects and quotes part nothing, if all of it can be read as JSON. */
const valuesOf = (text: string): unknown[] => {
  const whole = parseValue(`[${text}]`);
  return Array.isArray(whole) ? whole : text.split(',').map((value) => parseValue(value.trim()));
};

const parseSweep = (entry: string): Swept => {
  const [field, text] = entry.split(/=(.*)/s);
  if (!field || !text)
    throw usage(
      `--sweep: expected field=value,value, such as lr=0.001,0.003 or model.num_layers=1,2, but received "${entry}".`,
    );
  return { field, path: pathOf(field), values: valuesOf(text) };
};

const labelOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/**
 * Every combination of the values, the last field's changing fastest: each labelled with its own, and where there is a name, with its number behind it.
 * @param entries `field=value,value`; none: the spec as it is
 * @throws CommandError of the command line
 */
export const expandSweep = <T extends Draft>(draft: T, entries: readonly string[]): T[] => {
  if (entries.length === 0) return [draft];
  const swept = entries.map(parseSweep);
  const runs = swept.reduce((product, { values }) => product * values.length, 1);
  if (runs > mostJobsAtOnce)
    throw usage(`--sweep: expected at most ${mostJobsAtOnce} runs, but these values make ${runs}.`);
  const grid = swept.reduce<[Swept, unknown][][]>(
    (rows, field) =>
      rows.flatMap((row) => field.values.map((value) => [...row, [field, value] as [Swept, unknown]])),
    [[]],
  );
  return grid.map((row, k) => {
    const spec = structuredClone(draft);
    for (const [{ path }, value] of row) setField(spec, path, value);
    const labels = Object.fromEntries(row.map(([{ field }, value]) => [field, labelOf(value)]));
    const { name, metadata } = spec;
    return {
      ...spec,
      metadata: { ...(isObject(metadata) && metadata), ...labels },
      ...(typeof name === 'string' &&
        !row.some(([{ path }]) => path === 'name') && { name: `${name}-${k + 1}` }),
    };
  });
};
