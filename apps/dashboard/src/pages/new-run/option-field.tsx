import { useState } from 'react';
import { Field } from '../../ui/field.tsx';
import { shows } from './applies.ts';
import { type Draft, valueAt } from './draft.ts';
import type { Named, Option } from './schema.ts';

export interface Problem {
  message: string;
  param: string | null;
}

export interface FormProps {
  draft: Draft;
  problem: Problem | null;
  set: (path: string, value: unknown) => void;
}

const shown = (value: unknown): string => (value === undefined || value === null ? '' : String(value));

const listItem = (item: string): string | number => (/^\d+$/.test(item) ? Number(item) : item);

/** A list as it is written by hand: items between commas. */
const listOf = (text: string): (string | number)[] | undefined => {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  return items.length === 0 ? undefined : items.map(listItem);
};

const labelsOf = (text: string): Record<string, string> | undefined => {
  const pairs = text
    .split(',')
    .map((pair) => pair.split('=').map((side) => side.trim()))
    .filter(([key]) => key);
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs.map(([key, value = '']) => [key, value]));
};

const written = (value: unknown): string => {
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([key, each]) => `${key}=${each}`)
      .join(', ');
  return '';
};

/** A list, or labels: what is typed stays as it is typed. */
const ListInput = ({
  name,
  value,
  onChange,
}: {
  name: string;
  value: unknown;
  onChange: (value: unknown) => void;
}) => {
  const [typed, setTyped] = useState(written(value));
  const labels = name === 'metadata';
  return (
    <input
      type="text"
      placeholder={labels ? 'key=value, …' : 'separated by commas'}
      value={typed}
      onChange={({ target }) => {
        setTyped(target.value);
        onChange(labels ? labelsOf(target.value) : listOf(target.value));
      }}
    />
  );
};

const booleans = ['true', 'false'];

/** One option of its own, whose value is no object. */
const Control = ({ named, draft, set }: { named: Named } & Omit<FormProps, 'problem'>) => {
  const { path, option, default: standard } = named;
  const value = valueAt(draft, path);
  const choose = (next: unknown): void => set(path, next === standard ? undefined : next);
  switch (option.kind) {
    case 'choice': {
      const auto = option.nullable || standard === undefined;
      return (
        <select
          value={shown(value ?? standard)}
          onChange={({ target }) => choose(target.value === '' ? undefined : target.value)}
        >
          {auto && <option value="">default</option>}
          {option.values.map((each) => (
            <option key={each} value={each}>
              {each === '\t' ? 'tab' : each === ' ' ? 'space' : each.replaceAll('_', ' ')}
            </option>
          ))}
        </select>
      );
    }
    case 'flag':
      return (
        <select
          value={shown(value ?? standard)}
          onChange={({ target }) => choose(target.value === '' ? undefined : target.value === 'true')}
        >
          {option.nullable && <option value="">default</option>}
          {booleans.map((each) => (
            <option key={each} value={each}>
              {each === 'true' ? 'yes' : 'no'}
            </option>
          ))}
        </select>
      );
    case 'number':
      return (
        <input
          type="number"
          step={option.whole ? 1 : 'any'}
          min={option.minimum ?? undefined}
          max={option.maximum ?? undefined}
          placeholder={standard === null ? '' : shown(standard)}
          value={shown(value)}
          onChange={({ target }) => choose(target.value === '' ? undefined : Number(target.value))}
        />
      );
    case 'text':
      return (
        <input
          type="text"
          value={shown(value)}
          onChange={({ target }) => choose(target.value === '' ? undefined : target.value)}
        />
      );
    default:
      return <ListInput name={named.name} value={value} onChange={(next) => set(path, next)} />;
  }
};

const errorAt = (path: string, problem: Problem | null): string | null =>
  problem?.param === path ? problem.message : null;

/** Names the control by its path, so that an error can be gone to. */
const Row = ({ named, ...form }: { named: Named } & FormProps) => (
  <div data-option={named.path}>
    <Field label={named.title} hint={named.description} error={errorAt(named.path, form.problem)}>
      <Control named={named} {...form} />
    </Field>
  </div>
);

/** Options that appear when another one is chosen. */
const Inner = ({ title, options, ...form }: { title: string; options: Named[] } & FormProps) => (
  <fieldset className="inner">
    <legend className="field-label">{title}</legend>
    <OptionFields options={options} {...form} />
  </fieldset>
);

/** Most runs set this of an optimizer and leave the others alone. */
const foremost: ReadonlySet<string> = new Set(['learning_rate']);

const Variants = ({
  named,
  option,
  ...form
}: { named: Named; option: Extract<Option, { kind: 'variants' }> } & FormProps) => {
  const usual = option.variants[0]!.value;
  const chosen = shown(valueAt(form.draft, `${named.path}.${option.by}`)) || usual;
  const options = option.variants.find(({ value }) => value === chosen)?.options ?? [];
  const first = options.filter(({ name }) => foremost.has(name));
  const others = first.length === 0 ? [] : options.filter(({ name }) => !foremost.has(name));
  const wrong = others.some(({ path }) => path === form.problem?.param);
  return (
    <fieldset className="inner" data-option={named.path}>
      <legend className="field-label">{named.title}</legend>
      <div className="options">
        <Field
          label={option.by === 'type' ? 'Type' : 'Mode'}
          hint={named.description}
          error={errorAt(named.path, form.problem)}
        >
          <select
            value={chosen}
            onChange={({ target }) =>
              // What another kind has no option for goes.
              form.set(named.path, target.value === usual ? undefined : { [option.by]: target.value })
            }
          >
            {option.variants.map(({ value }) => (
              <option key={value} value={value}>
                {value.replaceAll('_', ' ')}
              </option>
            ))}
          </select>
        </Field>
        {first.map((each) => (
          <Row key={each.path} named={each} {...form} />
        ))}
      </div>
      {first.length === 0 && options.length > 0 && <OptionFields options={options} {...form} />}
      {others.length > 0 && (
        <details className="more" key={String(wrong)} open={wrong}>
          <summary>More of the {named.title.toLowerCase()}</summary>
          <OptionFields options={others} {...form} />
        </details>
      )}
    </fieldset>
  );
};

const OneKey = ({ named, options, ...form }: { named: Named; options: Named[] } & FormProps) => {
  const { path, default: standard } = named;
  const given = valueAt(form.draft, path);
  const value = (given === undefined ? standard : given) as Draft | null;
  const key = value === null ? '' : (Object.keys(value)[0] ?? '');
  const number = value === null ? undefined : value[key];
  return (
    <fieldset className="inner" data-option={path}>
      <legend className="field-label">{named.title}</legend>
      <div className="options">
        <Field label="By" hint={named.description} error={errorAt(path, form.problem)}>
          <select
            value={key}
            onChange={({ target }) =>
              form.set(path, target.value === '' ? null : { [target.value]: target.value === 'norm' ? 5 : 1 })
            }
          >
            <option value="">nothing</option>
            {options.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </Field>
        {key !== '' && (
          <Field label="Limit" error={errorAt(`${path}.${key}`, form.problem)}>
            <input
              type="number"
              step="any"
              value={shown(number)}
              onChange={({ target }) =>
                form.set(path, { [key]: target.value === '' ? null : Number(target.value) })
              }
            />
          </Field>
        )}
      </div>
    </fieldset>
  );
};

const Nullable = ({ named, options, ...form }: { named: Named; options: Named[] } & FormProps) => {
  const isOn = valueAt(form.draft, named.path) !== undefined;
  return (
    <fieldset className="inner" data-option={named.path}>
      <legend className="visually-hidden">{named.title}</legend>
      <label className="row">
        <input
          type="checkbox"
          checked={isOn}
          onChange={({ target }) => form.set(named.path, target.checked ? {} : undefined)}
        />
        <span>{named.title}</span>
      </label>
      <p className="quiet small">{named.description}</p>
      {errorAt(named.path, form.problem) && (
        <p className="field-error small" role="alert">
          {errorAt(named.path, form.problem)}
        </p>
      )}
      {isOn && <OptionFields options={options} {...form} />}
    </fieldset>
  );
};

const OptionField = ({ named, ...form }: { named: Named } & FormProps) => {
  const { option } = named;
  switch (option.kind) {
    case 'group':
      return option.nullable ? (
        <Nullable named={named} options={option.options} {...form} />
      ) : (
        <Inner title={named.title} options={option.options} {...form} />
      );
    case 'variants':
      return <Variants named={named} option={option} {...form} />;
    case 'one_key':
      return <OneKey named={named} options={option.options} {...form} />;
    default:
      return <Row named={named} {...form} />;
  }
};

/** Those options that mean something under what was chosen. */
export const OptionFields = ({ options, ...form }: { options: readonly Named[] } & FormProps) => {
  const meant = options.filter(({ path }) => shows(path, form.draft, form.problem?.param ?? null));
  const isPlain = ({ option }: Named): boolean => !['group', 'variants', 'one_key'].includes(option.kind);
  return (
    <>
      <div className="options">
        {meant.filter(isPlain).map((named) => (
          <OptionField key={named.path} named={named} {...form} />
        ))}
      </div>
      {meant
        .filter((named) => !isPlain(named))
        .map((named) => (
          <OptionField key={named.path} named={named} {...form} />
        ))}
    </>
  );
};
