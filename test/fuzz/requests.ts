import fc from 'fast-check';
import type { Operation } from './document.ts';
import {
  contentTypes,
  methods,
  oddHeaders,
  rawBodies,
  trickyIds,
  trickyQueries,
} from './hostile-requests.ts';
import { multipartBody } from './multipart.ts';
import { placeholder, tableOf } from './placeholders.ts';
import { hostileValue, nearlyValid, validValue, type World } from './schema-values.ts';

/** A request as it will be sent, but for the placeholders in its path and body. */
export interface Plan {
  method: string;
  path: string;
  /** Names and values in turn, so that a name may come twice. */
  headers: string[];
  body: string | Buffer | null;
}

/** The name before a parameter of a path: `jobs` of `/v1/jobs/{id}`. */
const nounBefore = (path: string, name: string): string => {
  const segments = path.split('/');
  const before = segments[segments.indexOf(`{${name}}`) - 1] ?? '';
  return name === 'id' ? before : name.replace(/_id$/, '');
};

const pathOf = (operation: Operation, world: World): fc.Arbitrary<string> => {
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const values = names.map((name) => {
    const noun = nounBefore(operation.path, name);
    const table = tableOf(noun, world.tables);
    const tables = table === 'models' ? ['models', 'checkpoints'] : [table ?? 'jobs'];
    return fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .tuple(fc.constantFrom(...tables), fc.nat({ max: 5 }))
          .map(([kind, place]) => placeholder(kind, place)),
      },
      { weight: 1, arbitrary: fc.constantFrom(...world.tables).map((kind) => placeholder(kind, 0)) },
      { weight: 2, arbitrary: fc.constantFrom(...trickyIds) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map(percentEncoded) },
    );
  });
  const filled = fc
    .tuple(...values)
    .map((chosen) =>
      names.reduce((path, name, k) => path.replace(`{${name}}`, chosen[k] as string), operation.path),
    );
  return fc.oneof(
    { weight: 20, arbitrary: filled },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          filled,
          fc.constantFrom('/', '//', '/..', '/.', ';x', '%20', '%00', '\\', '/../../metrics', '#x'),
        )
        .map(([path, tail]) => path + tail),
    },
    { weight: 1, arbitrary: filled.map((path) => path.replace('/v1', '/v1//').toUpperCase()) },
  );
};

/** Encodes all but what a placeholder is made of, lone surrogates as U+FFFD. */
const percentEncoded = (text: string): string =>
  Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^\w@:.-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);

const inQuery = (name: string, value: unknown): string =>
  value !== null && typeof value === 'object'
    ? Object.entries(value)
        .map(
          ([key, entry]) =>
            `${percentEncoded(name)}[${percentEncoded(key)}]=${percentEncoded(String(entry))}`,
        )
        .join('&')
    : `${name}=${percentEncoded(String(value))}`;

const queryOf = ({ parameters, path }: Operation, world: World): fc.Arbitrary<string> => {
  const listed = tableOf(path.split('/').at(-1) ?? '', world.tables);
  const wanted = parameters.filter((parameter) => parameter.in === 'query');
  const values = fc.record(
    Object.fromEntries(
      wanted.map(({ name, schema }) => [
        name,
        fc.oneof(
          {
            weight: 9,
            arbitrary:
              name === 'after' && listed !== null && schema.type === 'string'
                ? fc.nat({ max: 5 }).map((place) => placeholder(listed, place))
                : validValue(schema, world, name),
          },
          // A wait that the schema allows would only take its time.
          { weight: name === 'wait' ? 0 : 1, arbitrary: hostileValue },
        ),
      ]),
    ),
    { requiredKeys: wanted.filter(({ required }) => required).map(({ name }) => name) },
  );
  return fc.oneof(
    {
      weight: 8,
      arbitrary: values.map((given) => {
        const parts = Object.entries(given).map(([name, value]) => inQuery(name, value));
        return parts.length === 0 ? '' : `?${parts.filter((part) => part !== '').join('&')}`;
      }),
    },
    { weight: 1, arbitrary: fc.constantFrom(...trickyQueries) },
  );
};

const bodyOf = (
  operation: Operation,
  world: World,
): fc.Arbitrary<{ body: string | Buffer | null; headers: string[] }> => {
  const json = (value: unknown) => ({
    body: JSON.stringify(value) ?? '',
    headers: ['content-type', 'application/json'],
  });
  const raw = fc
    .tuple(fc.constantFrom(...rawBodies), fc.constantFrom('application/json', ...contentTypes))
    .map(([body, type]) => ({ body, headers: type === '' ? [] : ['content-type', type] }));
  const none = fc.constant({ body: null, headers: [] as string[] });
  const { body } = operation;
  if (body === null) return fc.oneof({ weight: 12, arbitrary: none }, { weight: 1, arbitrary: raw });
  if (body.type.startsWith('multipart/'))
    return fc.oneof({ weight: 12, arbitrary: multipartBody }, { weight: 1, arbitrary: raw });
  const valid = validValue(body.schema, world);
  return fc.oneof(
    { weight: 8, arbitrary: valid.map(json) },
    { weight: 8, arbitrary: nearlyValid(valid).map(json) },
    { weight: 1, arbitrary: hostileValue.map(json) },
    { weight: 2, arbitrary: raw },
    {
      weight: 1,
      arbitrary: fc
        .tuple(valid, fc.constantFrom(...contentTypes))
        .map(([value, type]) => ({ body: JSON.stringify(value) ?? '', headers: ['content-type', type] })),
    },
    { weight: 1, arbitrary: none },
  );
};

/** Requests for one operation: valid ones, ones with one mistake, and hostile ones. */
export const requestsOf = (operation: Operation, world: World): fc.Arbitrary<Plan> =>
  fc
    .record({
      method: fc.oneof(
        { weight: 20, arbitrary: fc.constant(operation.method) },
        { weight: 1, arbitrary: fc.constantFrom(...methods) },
      ),
      path: pathOf(operation, world),
      query: queryOf(operation, world),
      sent: bodyOf(operation, world),
      odd: fc.oneof(
        { weight: 3, arbitrary: fc.constant<string[]>([]) },
        { weight: 1, arbitrary: fc.constantFrom(...oddHeaders) },
      ),
    })
    .map(({ method, path, query, sent, odd }) => ({
      method,
      path: path + query,
      headers: [...sent.headers, ...odd],
      body: sent.body,
    }));
