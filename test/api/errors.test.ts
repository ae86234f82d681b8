import { connect } from 'node:net';
import { errorEnvelope } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, startApi, submit, upload } from './support.ts';

let api: Api;
let file: string;
let job: string;

beforeAll(async () => {
  api = await startApi({ limits: { bodyBytes: 4096, requestsPerMinute: 1_000_000 } });
  file = await upload(api);
  job = (await submit(api)).id;
});
afterAll(async () => api.stop());

/** Sends bytes as they are, for what no client library would send. */
const raw = (text: string | Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.on('error', reject);
    socket.write(text);
  });

const post = (path: string, body: string | Buffer, type = 'application/json') =>
  fetch(`${api.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body }).then(
    async (answer) => ({
      status: answer.status,
      body: await answer.json(),
      headers: Object.fromEntries(answer.headers),
    }),
  );

describe('every error is the envelope', () => {
  it('for an unknown path and for a wrong method on a right one', async () => {
    expectError(await api.request.get('/v1/nothing'), 404, 'not_found', null);
    const wrong = await api.request.put('/v1/jobs').send({});
    expectError(wrong, 405, 'method_not_allowed');
    expect(wrong.headers.allow?.split(', ').sort()).toEqual(['GET', 'HEAD', 'POST']);
    const batch = await api.request.put('/v1/jobs/batch').send({});
    expectError(batch, 405, 'method_not_allowed');
    expect(batch.headers.allow).toBe('POST');
    expectError(await api.request.delete(`/v1/jobs/${job}/cancel`), 405, 'method_not_allowed');
    for (const path of ['/health', '/v1/jobs', `/v1/files/${file}`, `/v1/files/${file}/content`])
      expect((await api.request.head(path)).status, path).toBe(200);
    expect((await api.request.head(`/v1/jobs/${job}/events`)).status).toBe(405);
    for (const path of [`/v1/files/${file}/`, '/docs/static/..%2f', '/docs/static/nothing.css'])
      expectError(await api.request.get(path), 404, 'not_found', null);
    for (const path of ['/v1/jobs/', `/v1/models/${'a'.repeat(300)}`])
      expectError(await api.request.get(path), 404, 'not_found', 'id');
  });

  it('for an empty parameter, in the same words whatever it should be, and for a list that is too short', async () => {
    for (const name of ['points', 'after_step']) {
      const { message } = expectError(
        await api.request.get(`/v1/jobs/${job}/metrics?${name}=`),
        400,
        'invalid_value',
        name,
      );
      expect(message).toBe(`${name}: expected a value, but received "".`);
    }
    const none = await api.request.post('/v1/jobs/batch').send({ jobs: [] });
    expect(expectError(none, 400, 'invalid_value', 'jobs').message).toContain('at least 1 entry,');
  });

  it('for an unknown id, which is called id in a path and by its field in a body', async () => {
    const id = (kind: string) => `${kind}-${'0'.repeat(32)}`;
    for (const path of [
      `files/${id('file')}`,
      `jobs/${id('job')}`,
      `jobs/${id('job')}/events`,
      'models/dogs',
    ])
      expectError(await api.request.get(`/v1/${path}`), 404, 'not_found', 'id');
    expectError(await api.request.delete(`/v1/keys/${id('key')}`), 404, 'not_found', 'id');
    expectError(await api.request.post(`/v1/jobs/${id('job')}/cancel`), 404, 'not_found', 'id');
    const body = JSON.stringify({ file: id('file') });
    expectError(await post('/v1/jobs', body), 404, 'not_found', 'file');
    expectError(await post('/v1/completions', '{"model":"dogs"}'), 404, 'not_found', 'model');
  });

  it('for bodies that are not JSON, not UTF-8, too large or of another type', async () => {
    expectError(await post('/v1/jobs', '{"file":'), 400, 'malformed_body');
    expectError(await post('/v1/jobs', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'malformed_body');
    for (const body of ['{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}']) {
      const { message } = expectError(await post('/v1/jobs', body), 400, 'malformed_body');
      expect(message).toContain('"__proto__" or "constructor.prototype"');
    }
    expectError(await post('/v1/jobs', `{"name":"${'a'.repeat(5000)}"}`), 413, 'payload_too_large');
    expectError(await post('/v1/jobs', '<job/>', 'application/xml'), 415, 'unsupported_media_type');
    expectError(
      await post('/v1/jobs', '{}', 'application/json; charset=utf-16'),
      415,
      'unsupported_media_type',
    );
    expectError(
      await post('/v1/jobs', 'x', 'multipart/form-data; boundary=x'),
      415,
      'unsupported_media_type',
    );
    const text = expectError(await post('/v1/files', 'hello', 'text/plain'), 415, 'unsupported_media_type');
    expect(text.message).toContain('multipart/form-data');
    const json = expectError(await post('/v1/files', '{}'), 415, 'unsupported_media_type');
    expect(json.message).toContain('multipart/form-data');
    expectError(await post('/v1/jobs', ''), 400, 'missing_field', 'body');
    const none = expectError(await post('/v1/jobs', 'null'), 400, 'invalid_value', null);
    expect(none.message).toBe('the request: expected an object, but received null.');
    expect((await post(`/v1/jobs/${job}/pause`, 'null')).status).toBe(200);
    expectError(await post('/v1/jobs', '[]'), 400, 'invalid_value');
    expectError(await post('/v1/jobs', '['.repeat(2000) + ']'.repeat(2000)), 400, 'invalid_value');
  });

  it('for what is not HTTP, and for headers without end', async () => {
    for (const text of [
      'NONSENSE\r\n\r\n',
      'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n',
      'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      'GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`,
      'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n',
      'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
      'GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n',
      'GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ]) {
      const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n');
      expect(head, text.slice(0, 60)).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(errorEnvelope.safeParse(JSON.parse(body)).success, text.slice(0, 60)).toBe(true);
    }
  });

  it('names the field, what was expected and what came', async () => {
    const body = JSON.stringify({ file, training: { batch_size: 0 } });
    const error = expectError(await post('/v1/jobs', body), 400, 'invalid_value', 'training.batch_size');
    expect(error.message).toBe('training.batch_size: expected at least 1, but received 0.');
    expectError(
      await post('/v1/jobs', JSON.stringify({ file, colour: 'red' })),
      400,
      'unknown_field',
      'colour',
    );
    expectError(await api.request.get('/v1/jobs?limit=0'), 400, 'invalid_value', 'limit');
    expectError(await api.request.get('/v1/jobs?limit=1&limit=2'), 400, 'invalid_value', 'limit');
    expectError(await api.request.get('/v1/jobs?page=2'), 400, 'unknown_field', 'page');
    expectError(await api.request.get('/v1/jobs?after=job-nope'), 400, 'invalid_value', 'after');
    expectError(await api.request.get(`/v1/jobs/${job}?wait=61`), 400, 'invalid_value', 'wait');
    expectError(await api.request.get(`/v1/jobs/${job}?wait=`), 400, 'invalid_value', 'wait');
    expectError(await api.request.get('/v1/files?after='), 400, 'invalid_value', 'after');
    expectError(await api.request.get(`/v1/jobs/${job}/events?after=`), 400, 'invalid_value', 'after');
    expect((await api.request.get('/v1/jobs?metadata[a]=')).status).toBe(200);
    for (const order of ['asc', 'desc'])
      expect((await api.request.get(`/v1/files?order=${order}`)).status).toBe(200);
    expectError(await api.request.get('/v1/files?order=random'), 400, 'invalid_value', 'order');
    const project = await post('/v1/keys', '{"name":"a","project":"A B"}');
    expect(expectError(project, 400, 'invalid_value', 'project').message).toMatch(/expected 1 to 63 char/);
    expectError(await post('/v1/keys', '{"name":"a\\u0000b"}'), 400, 'invalid_value', 'name');
    expectError(await post('/v1/keys', '{"name":"\\ud800"}'), 400, 'invalid_value', 'name');
  });

  it('carries the request id, the caller’s own if it is harmless', async () => {
    const own = await api.request.get('/v1/nothing').set('x-request-id', 'call-17');
    expect(own.headers['x-request-id']).toBe('call-17');
    expect(own.body.error.request_id).toBe('call-17');
    const odd = await api.request.get('/health').set('x-request-id', 'a b{c}');
    expect(odd.headers['x-request-id']).toMatch(/^req-[0-9a-f]{32}$/);
  });
});

describe('nothing a client can send is answered with 500', () => {
  const oddIds = [
    '%00',
    'job-%00',
    '%ED%A0%80',
    '%F0%9F%92%A9',
    '..%2f..%2fetc%2fpasswd',
    "'%20OR%201=1--",
    `job-${'a'.repeat(300)}`,
    'x'.repeat(600),
    '%2e%2e',
    'null',
    '-1',
    '__proto__',
    'constructor',
    '%25',
    '%u0041',
    '%c3%28',
    'job-00000000000000000000000000',
    'file-00000000000000000000000000',
    'ckpt-00000000000000000000000000',
  ];
  const resources = ['files', 'jobs', 'models', 'keys'];
  const suffixes = ['', '/content', '/preview', '/events', '/metrics', '/checkpoints', '/weights', '/stream'];

  it('as an id, on any route', async () => {
    for (const id of oddIds)
      for (const resource of resources) {
        for (const suffix of suffixes) {
          const answer = await fetch(`${api.url}/v1/${resource}/${id}${suffix}`);
          const body = await answer.json();
          expect(answer.status, `${resource}/${id}${suffix}`).toBeLessThan(500);
          if (answer.status >= 400) expect(errorEnvelope.safeParse(body).success).toBe(true);
        }
        for (const [method, action] of [
          ['DELETE', ''],
          ['POST', '/cancel'],
          ['POST', '/pause'],
          ['POST', '/resume'],
          ['POST', '/score'],
        ] as const) {
          const answer = await fetch(`${api.url}/v1/${resource}/${id}${action}`, { method });
          expect(answer.status, `${method} ${resource}/${id}${action}`).toBeGreaterThanOrEqual(400);
          expect(answer.status, `${method} ${resource}/${id}${action}`).toBeLessThan(500);
        }
      }
  });

  it('as a query', async () => {
    const values = [
      '',
      '%00',
      '%ED%A0%80',
      '-1',
      '1e999',
      'NaN',
      '99999999999999999999',
      '1.5',
      '[]',
      '%zz',
      '%F0%9F%92%A9',
    ];
    const names = [
      'limit',
      'after',
      'status',
      'metadata[a]',
      'metadata',
      'metadata[__proto__]',
      '__proto__',
      'type',
      'wait',
    ];
    const more = ['names', 'after_step', 'points', 'characters', 'purpose', 'a[b][c]', '[', 'metadata[]'];
    const paths = [
      '/v1/jobs',
      `/v1/jobs/${job}`,
      `/v1/jobs/${job}/events`,
      `/v1/jobs/${job}/metrics`,
      '/v1/files',
    ];
    for (const path of [...paths, '/v1/models', '/v1/keys', `/v1/files/${file}/preview`])
      for (const name of [...names, ...more])
        for (const value of values) {
          const answer = await fetch(`${api.url}${path}?${name}=${value}`);
          const text = await answer.text();
          expect(answer.status, `${path}?${name}=${value} ${text}`).toBeLessThan(500);
        }
  });

  it('as a body', async () => {
    const odd: unknown[] = [
      null,
      true,
      0,
      -1,
      1e308,
      1.5,
      '',
      'x',
      '\u0000',
      '\ud800',
      [],
      [[]],
      {},
      { a: 1 },
      ['x', 1],
    ];
    const paths = {
      '/v1/jobs': [
        'file',
        'name',
        'model',
        'training',
        'text',
        'seed',
        'metadata',
        'priority',
        'validation_file',
        'task',
      ],
      '/v1/jobs/estimate': ['file', 'training'],
      '/v1/models': ['file', 'name'],
      '/v1/completions': [
        'model',
        'prompt',
        'max_tokens',
        'temperature',
        'top_p',
        'stop',
        'seed',
        'stream',
        'stream_options',
      ],
      '/v1/models/none/score': ['input'],
      '/v1/keys': ['name', 'project', 'scopes'],
      [`/v1/jobs/${job}/resume`]: ['epochs', 'max_steps'],
    };
    for (const [path, fields] of Object.entries(paths)) {
      const whole = { file, model: 'none', name: 'x', input: 'x' };
      for (const value of odd) {
        expect(
          (await post(path, JSON.stringify(value))).status,
          `${path} ${JSON.stringify(value)}`,
        ).toBeLessThan(500);
        for (const field of fields) {
          // A key would close the server to the requests that follow.
          if (path === '/v1/keys' && (field !== 'scopes' || (Array.isArray(value) && value.length === 0)))
            continue;
          const given = JSON.stringify({ ...(path === '/v1/keys' ? { name: '' } : whole), [field]: value });
          const answer = await post(path, given);
          expect(answer.status, `${path} ${given} ${JSON.stringify(answer.body)}`).toBeLessThan(500);
        }
      }
    }
  });

  it('as a form', async () => {
    const type = 'multipart/form-data; boundary=b';
    const part = (headers: string, body: string) => `--b\r\n${headers}\r\n\r\n${body}\r\n`;
    const fileHeader = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
    const purpose = part('Content-Disposition: form-data; name="purpose"', 'training');
    const forms: [string, string, number][] = [
      ['nothing', '', 400],
      ['no parts', '--b--\r\n', 400],
      ['no boundary in the body', 'hello', 400],
      ['no file', `${purpose}--b--\r\n`, 400],
      ['no purpose', `${part(fileHeader, 'x')}--b--\r\n`, 400],
      ['two files', `${purpose}${part(fileHeader, 'x')}${part(fileHeader, 'y')}--b--\r\n`, 400],
      ['two purposes', `${purpose}${purpose}${part(fileHeader, 'x')}--b--\r\n`, 400],
      ['an unknown purpose', `${part(fileHeader, 'x')}${purpose.replace('training', 'fun')}--b--\r\n`, 400],
      [
        'an unknown field',
        `${purpose}${part('Content-Disposition: form-data; name="x"', '1')}--b--\r\n`,
        400,
      ],
      [
        '__proto__',
        `${part('Content-Disposition: form-data; name="__proto__"', '1')}${purpose}--b--\r\n`,
        400,
      ],
      [
        'a file as __proto__',
        `${part(fileHeader.replace('"file"', '"__proto__"'), '1')}${purpose}--b--\r\n`,
        400,
      ],
      ['no end', `${purpose}${part(fileHeader, 'x')}`, 400],
      ['a part without headers', '--b\r\n\r\nx\r\n--b--\r\n', 400],
      ['a file without content', `${purpose}${part(fileHeader, '')}--b--\r\n`, 201],
      ['the file first', `${part(fileHeader, 'x')}${purpose}--b--\r\n`, 201],
    ];
    for (const [name, body, status] of forms)
      expect((await post('/v1/files', body, type)).status, name).toBe(status);
    expectError(await post('/v1/files', 'x', 'multipart/form-data'), 400, 'upload_interrupted');
    expectError(await post('/v1/files', '{}'), 415, 'unsupported_media_type');
  });
});
