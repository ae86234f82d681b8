/** JSON Schema as far as the schema of jobs uses it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: (string | number)[];
  const?: string;
  default?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxProperties?: number;
}

export type Schemas = Record<string, Schema>;

/** What an option is, as a form shows it. */
export type Option =
  | { kind: 'choice'; values: string[]; nullable: boolean }
  | { kind: 'flag'; nullable: boolean }
  | { kind: 'number'; whole: boolean; minimum: number | null; maximum: number | null; nullable: boolean }
  | { kind: 'text'; nullable: boolean }
  /** Options of its own. */
  | { kind: 'group'; options: Named[]; nullable: boolean }
  /** One of several groups, told apart by the value of `by`. */
  | { kind: 'variants'; by: string; variants: { value: string; options: Named[] }[] }
  /** Exactly one of its keys, or nothing. */
  | { kind: 'one_key'; options: Named[] }
  /** Anything else, as JSON. */
  | { kind: 'json' };

export interface Named {
  /** Dotted, as errors of the API name it. */
  path: string;
  name: string;
  title: string;
  description: string;
  default: unknown;
  option: Option;
}

const resolve = (schema: Schema, schemas: Schemas): Schema => {
  if (schema.$ref === undefined) return schema;
  const { $ref, ...own } = schema;
  return { ...resolve(schemas[$ref.split('/').at(-1)!] ?? {}, schemas), ...own };
};

const isNull = (schema: Schema): boolean => schema.type === 'null';

/** Where a name says too little to who reads it for the first time. */
const titles: Record<string, string> = {
  num_layers: 'Layers',
  init: 'Initial weights',
  bptt: 'Backpropagation through time',
  clip: 'Gradient clipping',
  beta1: 'β₁',
  beta2: 'β₂',
  max_vocab: 'Largest vocabulary',
};

/** batch_size → Batch size */
const titleOf = (name: string): string => {
  if (titles[name] !== undefined) return titles[name];
  const words = name.replaceAll('_', ' ');
  return words[0]!.toUpperCase() + words.slice(1);
};

/** In a form nothing is written where JSON has null. */
const hintOf = (description: string): string =>
  description.replace(/\bnull: (.)/g, (_, first: string) => `Left empty: ${first}`);

const named = (name: string, path: string, given: Schema, schemas: Schemas): Named => {
  const schema = resolve(given, schemas);
  return {
    path,
    name,
    title: titleOf(name),
    description: hintOf(schema.description ?? ''),
    default: schema.default,
    option: optionOf(schema, path, schemas),
  };
};

const optionsOf = (schema: Schema, path: string, schemas: Schemas, but?: string): Named[] =>
  Object.entries(schema.properties ?? {})
    .filter(([name]) => name !== but)
    .map(([name, each]) => named(name, path === '' ? name : `${path}.${name}`, each, schemas));

const withoutNull = (schema: Schema, schemas: Schemas): { schema: Schema; nullable: boolean } => {
  if (Array.isArray(schema.type)) {
    const type = schema.type.find((each) => each !== 'null');
    return { schema: { ...schema, ...(type && { type }) }, nullable: schema.type.includes('null') };
  }
  const branches = schema.anyOf?.map((branch) => resolve(branch, schemas)) ?? [];
  const real = branches.filter((branch) => !isNull(branch));
  return real.length === 1
    ? {
        schema: { ...real[0]!, description: schema.description ?? '' },
        nullable: real.length < branches.length,
      }
    : { schema, nullable: false };
};

const optionOf = (given: Schema, path: string, schemas: Schemas): Option => {
  const { schema, nullable } = withoutNull(given, schemas);
  if (schema.oneOf) {
    const branches = schema.oneOf.map((branch) => resolve(branch, schemas));
    const by = Object.entries(branches[0]?.properties ?? {}).find(([, each]) => each.const)?.[0];
    if (by === undefined) return { kind: 'json' };
    return {
      kind: 'variants',
      by,
      variants: branches.map((branch) => ({
        value: String(branch.properties?.[by]?.const),
        options: optionsOf(branch, path, schemas, by),
      })),
    };
  }
  if (schema.properties) {
    const options = optionsOf(schema, path, schemas);
    return schema.maxProperties === 1 ? { kind: 'one_key', options } : { kind: 'group', options, nullable };
  }
  if (schema.enum) return { kind: 'choice', values: schema.enum.map(String), nullable };
  switch (schema.type) {
    case 'boolean':
      return { kind: 'flag', nullable };
    case 'integer':
    case 'number':
      return {
        kind: 'number',
        whole: schema.type === 'integer',
        minimum: schema.minimum ?? schema.exclusiveMinimum ?? null,
        maximum: schema.maximum ?? schema.exclusiveMaximum ?? null,
        nullable,
      };
    case 'string':
      return { kind: 'text', nullable };
    default:
      return { kind: 'json' };
  }
};

/** The options of a job, as the API's own document has them. */
export const jobOptions = (schemas: Schemas): Named[] =>
  optionsOf(resolve(schemas.JobSpecInput ?? {}, schemas), '', schemas);
