import fc from 'fast-check';
import type { Operation } from './document.ts';
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

const trickyIds = [
  '..',
  '.',
  '%2e%2e',
  '%2e%2e%2fjobs',
  '%00',
  '%zz',
  '%',
  '%c0%ae',
  '%ff%fe',
  '%E2%80%AE',
  '%F0%9F%91%A9',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '*',
  ':id',
  '{id}',
  'a%2Fb',
  'a;b=c',
  'null',
  'x'.repeat(400),
  'x'.repeat(3000),
  'file-019aab2f6c4e7d3f8a1b2c3d4e5f6071',
  'JOB-019AAB2F7A107C55B0D1E2F3A4B5C6D7',
];

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

const trickyQueries = [
  '?',
  '?&&&',
  '?limit=1&limit=2',
  '?limit[]=1',
  '?limit[__proto__]=1',
  '?__proto__[a]=1&constructor[prototype][a]=1',
  '?metadata[a]=1&metadata[a]=2&metadata=3',
  '?metadata[a][b]=1',
  '?after=%00',
  '?after=%ff',
  '?after=%',
  '?limit=0x10',
  '?limit=1e1',
  '?limit=%201',
  '?limit=',
  '?=1',
  `?${'a=1&'.repeat(300)}`,
  `?q=${'x'.repeat(20_000)}`,
];

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

const rawBodies: (string | Buffer)[] = [
  '',
  ' ',
  'null',
  '0',
  '"x"',
  '[]',
  '{',
  '{"a":1,}',
  '{"a":1}{"b":2}',
  '\ufeff{}',
  '{"a":1e999}',
  '{"file":"x","file":"y"}',
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"a":"\\ud800"}',
  '{"a":"\\u0000"}',
  `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  `{"a":${'9'.repeat(100_000)}}`,
  `{"a":"${'x'.repeat(1_100_000)}"}`,
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from([0x1f, 0x8b, 0x08, 0x00]),
  Buffer.alloc(100),
];

const contentTypes = [
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'application/json; charset=utf-16',
  'application/json; charset="utf-8"',
  'APPLICATION/JSON',
  'application/vnd.api+json',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  `multipart/form-data; boundary=${'b'.repeat(200)}`,
  'application/json, text/plain',
  '/',
  '',
];

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

const oddHeaders: string[][] = [
  ['idempotency-key', 'one'],
  ['idempotency-key', 'two'],
  ['idempotency-key', ''],
  ['idempotency-key', 'a b'],
  ['idempotency-key', 'x'.repeat(300)],
  ['idempotency-key', 'one', 'Idempotency-Key', 'two'],
  ['x-request-id', 'mine-1'],
  ['x-request-id', 'a b"}\\'],
  ['x-request-id', 'x'.repeat(1000)],
  ['content-encoding', 'gzip'],
  ['range', 'bytes=0-3'],
  ['range', 'bytes=-1'],
  ['range', 'bytes=5-1,0-0,-0'],
  ['range', `bytes=${'0-1,'.repeat(500)}2-3`],
  ['range', 'lines=1-2'],
  ['range', 'bytes=99999999999999999999-'],
  ['if-none-match', '*'],
  ['if-none-match', '"'.repeat(3000)],
  ['if-range', '"x"', 'range', 'bytes=0-1'],
  ['last-event-id', '-1'],
  ['last-event-id', '9007199254740993'],
  ['accept', 'text/event-stream'],
  ['accept', '*/*;q=bogus'],
  ['accept-encoding', 'gzip;q=0, br;q=zero, identity;q=0'],
  ['accept-encoding', 'gzip, br, zstd'],
  ['authorization', ''],
  ['authorization', 'Bearer wrong'],
  ['authorization', `Bearer ${'x'.repeat(4000)}`],
  ['authorization', 'Basic YTpi'],
  ['host', 'evil.example'],
  ['host', ''],
  ['host', 'localhost', 'host', 'evil.example'],
  ['origin', 'https://evil.example'],
  ['origin', 'null'],
  ['connection', 'upgrade', 'upgrade', 'websocket'],
  ['connection', 'upgrade', 'upgrade', 'h2c'],
  ['cookie', 'a=b; '.repeat(500)],
  ['x-large', 'x'.repeat(30_000)],
  ['x-http-method-override', 'DELETE'],
  ['x-forwarded-for', "127.0.0.1, ';--"],
  ['traceparent', '00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-zz'],
  ['expect', '100-continue'],
];

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'];

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
