import fc from 'fast-check';
import type { Schema } from './document.ts';
import { placeholder, tableOf } from './placeholders.ts';

/** What the generators know of the service beside its schemas. */
export interface World {
  schemas: Record<string, Schema>;
  tables: readonly string[];
}

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('the cat', 'the dog lay by the fog.\n', 'Rossi', '') },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
);
/** Fields whose valid values would mostly be of no use: 100,000 tokens only take their time. */
const kept: Record<string, fc.Arbitrary<unknown>> = {
  // A model refuses what it cannot read, and random text is seldom in its vocabulary.
  prompt: fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.array(fc.nat({ max: 20 }), { maxLength: 5 })),
  input: fc.oneof(text, fc.array(text, { maxLength: 3 })),
  wait: fc.constantFrom(0, 0.05),
  max_tokens: fc.integer({ min: 0, max: 12 }),
  steps: fc.integer({ min: 1, max: 12 }),
  n: fc.integer({ min: 1, max: 3 }),
  best_of: fc.integer({ min: 1, max: 3 }),
  beam_width: fc.integer({ min: 1, max: 3 }),
};

const hostileTexts = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff x',
  '\ufeff',
  '\u202e\u2066',
  'İſ',
  'e\u0301'.repeat(50),
  '👩‍👩‍👧‍👦'.repeat(20),
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'NaN',
  '-0',
  '1e999',
  '../../../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  "' OR 1=1; DROP TABLE jobs; --",
  '$'.concat('{jndi:ldap://127.0.0.1/a}'),
  '{{7*7}}',
  '<script>alert(1)</script>',
  'a\r\nset-cookie: x=y',
  'x'.repeat(300),
  'x'.repeat(70_000),
  'file-019aab2f6c4e7d3f8a1b2c3d4e5f6071',
  'job-',
  'model-00000000000000000000',
  'http://169.254.169.254/latest/meta-data',
];

const hostileNumbers = [
  0,
  -0,
  -1,
  0.5,
  1e-320,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  2 ** 63,
  1e21,
  1.0000000000000002,
];

const hostileObjects: unknown[] = [
  {},
  [],
  [[]],
  ...[
    '{"__proto__":1}',
    '{"constructor":{"prototype":1}}',
    '{"length":-1}',
    '{"toString":null}',
    '{"then":1}',
  ].map((text) => JSON.parse(text)),
];

/** Values that no field means. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, ...hostileObjects),
  fc.constantFrom<unknown>(...hostileTexts),
  fc.constantFrom<unknown>(...hostileNumbers),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.jsonValue({ maxDepth: 3 }),
);

const resolveSchema = (schema: Schema, world: World): Schema => {
  if (schema.$ref === undefined) return schema;
  const named = world.schemas[schema.$ref.split('/').at(-1) ?? ''];
  if (named === undefined) throw new Error(`The document refers to ${schema.$ref}, which it does not have.`);
  return resolveSchema(named, world);
};

const prefixTables: Record<string, string> = { ckpt: 'checkpoints', key: 'api_keys' };

const textOf = (schema: Schema, name: string, world: World): fc.Arbitrary<string> => {
  const patterns = [schema.pattern, ...(schema.allOf ?? []).map(({ pattern }) => pattern)].filter(
    (pattern) => pattern !== undefined,
  );
  const prefix = /^\^([a-z]+)-\[0-9a-z\]/.exec(patterns[0] ?? '')?.[1];
  const table = tableOf(prefix === undefined ? name : (prefixTables[prefix] ?? prefix), world.tables);
  const free =
    patterns[0] === undefined
      ? fc.string({
          unit: 'grapheme',
          minLength: schema.minLength ?? 0,
          maxLength: Math.min(schema.maxLength ?? 30, (schema.minLength ?? 0) + 30),
        })
      : fc.stringMatching(new RegExp(patterns[0].replace(/\(\?![^)]*\)[^)]*\)/, '')));
  if (table === null) return free;
  return fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 5 }).map((place) => placeholder(table, place)) },
    { weight: 1, arbitrary: free },
  );
};

const numberOf = (schema: Schema, whole: boolean): fc.Arbitrary<number> => {
  const smallest = schema.minimum ?? schema.exclusiveMinimum ?? -1000;
  const largest = Math.min(schema.maximum ?? schema.exclusiveMaximum ?? 1000, Number.MAX_SAFE_INTEGER);
  const min = Math.max(smallest, -Number.MAX_SAFE_INTEGER);
  if (!whole) {
    const open = {
      minExcluded: schema.exclusiveMinimum !== undefined,
      maxExcluded: schema.exclusiveMaximum !== undefined,
    };
    return fc.double({ min, max: Math.max(min + 1e-9, largest), noNaN: true, ...open });
  }
  const low = Math.ceil(min) + (schema.exclusiveMinimum === undefined ? 0 : 1);
  const high = Math.max(low, Math.floor(largest));
  // Mostly small, since much of what is large would only take long; the ends are tried all the same.
  return fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: low, max: Math.min(high, low + 20) }) },
    { weight: 1, arbitrary: fc.constantFrom(low, high) },
  );
};

const objectOf = (schema: Schema, world: World, depth: number): fc.Arbitrary<unknown> => {
  const properties = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  const record = fc.record(
    Object.fromEntries(properties.map(([name, each]) => [name, validValue(each, world, name, depth + 1)])),
    { requiredKeys: properties.map(([name]) => name).filter((name) => required.has(name)) },
  );
  // Every field at once would hardly ever be valid together: most requests set few.
  const few = fc
    .tuple(
      record,
      fc.subarray(
        properties.map(([name]) => name),
        { maxLength: Math.min(4, properties.length) },
      ),
    )
    .map(([value, chosen]) =>
      Object.fromEntries(
        Object.entries(value).filter(([name]) => required.has(name) || chosen.includes(name)),
      ),
    );
  const base = fc.oneof({ weight: 5, arbitrary: few }, { weight: 1, arbitrary: record });
  const more = schema.additionalProperties;
  if (typeof more !== 'object') return base;
  const names = schema.propertyNames
    ? textOf(resolveSchema(schema.propertyNames, world), '', world)
    : fc.string({ maxLength: 12 });
  return fc
    .tuple(base, fc.dictionary(names, validValue(more, world, '', depth + 1), { maxKeys: 3 }))
    .map(([own, extra]) => ({ ...extra, ...own }));
};

const typedValue = (
  type: string | undefined,
  schema: Schema,
  world: World,
  name: string,
  depth: number,
): fc.Arbitrary<unknown> => {
  switch (type) {
    case 'string':
      return textOf(schema, name, world);
    case 'integer':
      return numberOf(schema, true);
    case 'number':
      return numberOf(schema, false);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array': {
      const minLength = schema.minItems ?? 0;
      return fc.array(validValue(schema.items ?? {}, world, name, depth + 1), {
        minLength,
        maxLength: Math.max(minLength, Math.min(schema.maxItems ?? 4, 4)),
      });
    }
    case 'object':
      return objectOf(schema, world, depth);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
};

/** Values that a schema allows, as far as it says: rules across fields are the service's to check. */
export const validValue = (given: Schema, world: World, name = '', depth = 0): fc.Arbitrary<unknown> => {
  const schema = resolveSchema(given, world);
  const keep = kept[name];
  if (keep !== undefined && depth <= 1) return keep;
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return fc.oneof(...either.map((each) => validValue(each, world, name, depth)));
  if (Array.isArray(schema.type))
    return fc.oneof(...schema.type.map((type) => typedValue(type, schema, world, name, depth)));
  const merged = schema.allOf && schema.type === undefined ? Object.assign({}, ...schema.allOf) : schema;
  return typedValue(merged.type as string | undefined, merged, world, name, depth);
};

type Change =
  | { kind: 'replace'; value: unknown }
  | { kind: 'remove' }
  | { kind: 'add'; name: string; value: unknown }
  | { kind: 'wrap' };

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: hostileValue.map((value) => ({ kind: 'replace' as const, value })) },
  { weight: 2, arbitrary: fc.constant({ kind: 'remove' as const }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('extra', '__proto__', 'constructor', 'id', '\u0000', '', 'toJSON'), hostileValue)
      .map(([name, value]) => ({ kind: 'add' as const, name, value })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'wrap' as const }) },
);

/** Changes one place of a value, found by walking down `steps`. */
const changeAt = (value: unknown, steps: readonly number[], what: Change): unknown => {
  const [step, ...rest] = steps;
  const isContainer = typeof value === 'object' && value !== null;
  const keys = isContainer ? Object.keys(value) : [];
  if (what.kind === 'add' && isContainer && (step === undefined || keys.length === 0)) {
    if (Array.isArray(value)) return [...value, what.value];
    const copy = { ...value };
    Object.defineProperty(copy, what.name, { value: what.value, enumerable: true });
    return copy;
  }
  if (step === undefined || keys.length === 0)
    return what.kind === 'wrap' ? [value] : what.kind === 'replace' ? what.value : value;
  const key = keys[step % keys.length] as string;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
    ? [...value]
    : { ...(value as object) };
  if (rest.length === 0 && what.kind === 'remove') {
    if (Array.isArray(copy)) copy.splice(Number(key), 1);
    else delete copy[key];
    return copy;
  }
  const inner = (value as Record<string, unknown>)[key];
  Object.defineProperty(copy, key, {
    value: changeAt(inner, rest, what),
    enumerable: true,
    writable: true,
    configurable: true,
  });
  return copy;
};

/** A valid value with one mistake in it. */
export const nearlyValid = (valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(valid, fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 3 }), change)
    .map(([value, steps, what]) => changeAt(value, steps, what));
