import type { Named } from './schema.ts';

/** A spec on its way: what was chosen, and nothing that is a default anyway. */
export type Draft = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is Draft =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const valueAt = (draft: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), draft);

/** Groups that are there without being written; others are chosen by writing them, if only as `{}`. */
const alwaysThere: ReadonlySet<string> = new Set([
  'text',
  'series',
  'model',
  'training',
  'bptt',
  'optimizer',
  'schedule',
]);

/** The same with another value there; undefined takes it out, and a group that this leaves empty with it. */
export const withValue = (draft: Draft, path: string, value: unknown): Draft => {
  const [name = '', ...rest] = path.split('.');
  const inner = draft[name];
  const next = rest.length === 0 ? value : withValue(isObject(inner) ? inner : {}, rest.join('.'), value);
  const { [name]: _, ...others } = draft;
  const isEmpty =
    next === undefined || (alwaysThere.has(name) && isObject(next) && Object.keys(next).length === 0);
  return isEmpty ? others : { ...others, [name]: next };
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What of a completed spec is not a default. */
export const pruned = (spec: Draft, options: readonly Named[]): Draft => {
  let left: Draft = {};
  for (const { name, option, default: standard } of options) {
    const value = spec[name];
    if (value === undefined || same(value, standard)) continue;
    if (isObject(value) && option.kind === 'group') {
      const inner = pruned(value, option.options);
      if (Object.keys(inner).length > 0 || option.nullable) left = { ...left, [name]: inner };
    } else if (isObject(value) && option.kind === 'variants') {
      const chosen = option.variants.find((variant) => variant.value === value[option.by]);
      const inner = chosen ? pruned(value, chosen.options) : value;
      const usual = chosen === option.variants[0];
      if (usual && Object.keys(inner).length === 0) continue;
      left = { ...left, [name]: usual ? inner : { [option.by]: value[option.by], ...inner } };
    } else left = { ...left, [name]: value };
  }
  return left;
};

/**
 * The defaults that depend on other options, taken out of a completed spec, so that another task brings its own; `packages/contracts` fills them
 * in (job-spec.ts).
 */
export const withoutDerived = (spec: Draft): Draft => {
  const { task } = spec;
  const derived: [path: string, standard: unknown][] = [
    ['text.sequences', task === 'language_model' || task === 'forecasting' ? 'whole' : 'json_lines'],
    [
      'series.normalization',
      task === 'forecasting' && valueAt(spec, 'training.loss') === 'squared_error' ? 'standard' : 'none',
    ],
    ['model.context', task === 'conditional_generation' ? { inject: 'every_step' } : null],
  ];
  return derived.reduce(
    (left, [path, standard]) =>
      same(valueAt(left, path), standard) ? withValue(left, path, undefined) : left,
    spec,
  );
};
