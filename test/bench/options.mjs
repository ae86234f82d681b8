// Command-line options of the benchmarks: declared once, explained by --help, refused with what was expected.
import { parseArgs } from 'node:util';

export const cells = ['lstm', 'gru', 'elman'];
export const engines = ['auto', 'native', 'reference', 'tfjs'];

const whole = (most) => ({
  expected: `a whole number from 1 to ${most}`,
  read: (text) => (/^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= most ? Number(text) : null),
});
const oneOf = (...names) => ({
  expected: names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${names.at(-1)}` : names[0],
  read: (text) => (names.includes(text) ? text : null),
});
const listOf = (names) => ({
  expected: `some of ${names.join(',')} with commas between, or all`,
  read(text) {
    const chosen = text === 'all' ? names : text.split(',');
    return chosen.every((name) => names.includes(name)) ? chosen : null;
  },
});
const seconds = {
  expected: 'seconds above 0',
  read: (text) => (Number(text) > 0 && Number(text) < 1e6 ? Number(text) : null),
};
const word = { expected: 'a name', read: (text) => text || null };
const flag = { flag: true };

/** Kinds of options. A kind reads its text and returns null for what it does not accept. */
export const kinds = { whole, oneOf, listOf, seconds, word, flag };

/** What every benchmark of one model understands. */
export const modelOptions = {
  size: {
    kind: oneOf('S', 'M', 'L'),
    default: 'S',
    help: 'S: 1 layer of 128 units, M: 2 of 256, L: 2 of 512',
  },
  cell: { kind: oneOf(...cells), default: 'lstm', help: 'the recurrent cell' },
  hidden: { kind: whole(65_536), help: "units of a layer, in place of the size's" },
  layers: { kind: whole(64), help: "layers, in place of the size's" },
  vocabulary: { kind: whole(1_000_000), default: 96, help: 'tokens that the model knows' },
};
export const engineOptions = {
  engine: { kind: oneOf(...engines), default: 'auto', help: 'the engine that computes' },
  precision: { kind: oneOf('float32', 'bf16'), default: 'float32', help: 'of the products' },
  'instruction-set': {
    kind: word,
    default: 'auto',
    help: 'avx512, avx2, neon or baseline, for the native engine',
  },
};
export const jsonOption = { json: { kind: flag, help: 'print one JSON object and nothing else' } };

function explain(command, purpose, known) {
  const lines = Object.entries(known).map(([name, { kind, default: value, help }]) => {
    const usage = kind.flag ? `--${name}` : `--${name} …`;
    const expected = kind.flag ? '' : ` (${kind.expected}${value === undefined ? '' : `; default ${value}`})`;
    return `  ${usage.padEnd(22)} ${help}${expected}`;
  });
  return [
    `npm run ${command} -- [options]`,
    purpose,
    '',
    ...lines,
    `  ${'--help'.padEnd(22)} show this`,
    '',
    `npm itself prints a heading; \`npm run --silent ${command} -- --json\` leaves stdout to the object alone.`,
  ].join('\n');
}

/** An option that is not known, or a value that is not accepted. */
class OptionError extends Error {}

function parse(words, known) {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { kind }]) => [name, { type: kind.flag ? 'boolean' : 'string' }]),
  );
  let values;
  try {
    ({ values } = parseArgs({ args: words, options: { ...options, help: { type: 'boolean' } } }));
  } catch (error) {
    throw new OptionError(error.message);
  }
  const read = Object.entries(known).map(([name, { kind, default: fallback }]) => {
    const text = values[name];
    if (kind.flag || text === undefined) return [name, text ?? (kind.flag ? false : fallback)];
    const value = kind.read(text);
    if (value === null)
      throw new OptionError(`Expected ${kind.expected} for --${name} but received "${text}".`);
    return [name, value];
  });
  return { ...Object.fromEntries(read), help: values.help ?? false };
}

/** The options of the command line; ends the process after --help, and with 2 after a mistake. */
export function readOptions(command, purpose, known) {
  try {
    const options = parse(process.argv.slice(2), known);
    if (!options.help) return options;
    console.log(explain(command, purpose, known));
    process.exit(0);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(`${error.message}\n\n${explain(command, purpose, known)}`);
    process.exit(2);
  }
}
