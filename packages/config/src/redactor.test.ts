import { describe, expect, it } from 'vitest';
import { createRedactor } from './redactor.ts';

describe('the redactor', () => {
  const redact = createRedactor({
    adminKey: 'an-admin-key.of+us',
    databaseUrl: 'postgresql://unfold:s%22ecret%2Fword@db:5432/unfold',
    redisUrl: 'redis://:other-secret@cache:6379/0',
  });

  it.each([
    'an-admin-key.of+us',
    's%22ecret%2Fword',
    's"ecret/word',
    'other-secret',
    `unfold-${'aB3_-'.repeat(9).slice(0, 43)}`,
    'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
  ])('finds %s wherever it stands', (secret) => {
    const line = redact(JSON.stringify({ msg: `it was ${secret}, yes`, deep: { key: secret } }));
    expect(line).not.toContain(JSON.stringify(secret).slice(1, -1));
    expect(JSON.parse(line)).toEqual({ msg: 'it was [redacted], yes', deep: { key: '[redacted]' } });
  });

  it('finds credentials in headers and URLs, whoever they belong to', () => {
    expect(redact('authorization: Bearer abc.def-123 and more')).toBe(
      'authorization: Bearer [redacted] and more',
    );
    expect(redact('"unfold.v1, unfold.key.my-own"')).toBe('"unfold.v1, unfold.key.[redacted]"');
    expect(redact('connect postgres://me:pw@host/db')).toBe('connect postgres://[redacted]@host/db');
  });

  it('keeps a line of JSON whole, and readable, whatever the passwords are', () => {
    const line = (more: object) => JSON.stringify({ level: 30, time: 1795377610783, ...more });
    const plain = line({ name: 'unfold-api', msg: 'unfold listens, 100% ready, in 178 ms', pass: 178 });
    for (const password of [
      'unfold',
      '1776',
      '177',
      '178',
      'api',
      'level',
      '100%',
      '179537761078',
      '1795377610783',
    ]) {
      const redactShort = createRedactor({
        databaseUrl: `postgres://unfold:${password}@db/unfold`,
        redisUrl: `redis://:${password}@cache`,
      });
      expect(redactShort(plain)).toBe(plain);
      const told = redactShort(
        line({
          password,
          msg: `password=${password} at postgres://unfold:${password}@db`,
          text: `"PGPASSWORD": "${password}"`,
        }),
      );
      expect(JSON.parse(told)).toEqual({
        level: 30,
        time: 1795377610783,
        password: '[redacted]',
        msg: 'password=[redacted] at postgres://[redacted]@db',
        text: '"PGPASSWORD": "[redacted]"',
      });
    }
  });

  it('finds the headers that go with traces', () => {
    const headers = {
      'x-collector-key': 'a-long-collector-key',
      tenant: 'us',
      'x-encoded': 'with%20space%20inside',
    };
    const redactHeaders = createRedactor({ tracing: { endpoint: 'http://collector', headers } });
    expect(
      redactHeaders('it was a-long-collector-key, and with space inside, of tenant=us: let us see'),
    ).toBe('it was [redacted], and [redacted], of tenant=[redacted]: let us see');
  });

  const key = `unfold-${'aB3_-'.repeat(9).slice(0, 43)}`;
  const webhookSecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
  const everyCharacter = (text: string): string =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join('');

  it.each([
    `Bearer%20${key}`,
    `x_${key}`,
    `x${key}`,
    `key%3D${key}`,
    `failed:\n${key}`,
    `failed:\t${key}`,
    `C:\\${key}`,
    key.replace('-', '%2D'),
    key.replace('u', '%75'),
    key.replace('B', '%42'),
    key.replace('B', '%2542'),
    everyCharacter(key),
    encodeURIComponent(everyCharacter(key)),
    `x\n${webhookSecret}`,
    `x_${webhookSecret}`,
    webhookSecret.replace('_', '%5F'),
    encodeURIComponent(webhookSecret),
    'x\nunfold.key.aB3',
    'unfold%2Ekey%2EaB3',
    'Bearer\n aB3',
    'bearer\taB3',
    'x\nBearer aB3',
    'xBasic aB3',
    'basic+aB3',
    'Bearer%20%20aB3',
    'Bearer "aB3"',
    '%42earer aB3',
    'wss://user:aB3@h',
    'amqp://user:aB3@h',
    'mongodb+srv://user:p@aB3@h/db',
    'amqps://user:pass/aB3@h/vhost',
    'https://user:9aB3/x:aB3@h',
    'see\nredis://:aB3@h',
    'wss%3A%2F%2Fuser%3AaB3%40h',
  ])('finds the secret in %j, in a message and in what a message quotes', (text) => {
    const hidden = [
      'aB3',
      '%42',
      '5sSYspob7oD',
      everyCharacter('aB3'),
      encodeURIComponent(everyCharacter('aB3')),
    ];
    const object = { msg: `it was ${text}`, deep: { text, quoted: JSON.stringify({ text }) }, next: 1 };
    const line = redact(JSON.stringify(object));
    expect(hidden.filter((part) => line.replaceAll('%42earer', '').includes(part))).toEqual([]);
    expect(JSON.parse(line)).toMatchObject({
      msg: expect.stringMatching(/^it was .*\[redacted\]/s),
      deep: { text: expect.stringContaining('[redacted]'), quoted: expect.stringContaining('[redacted]') },
      next: 1,
    });
  });

  it.each(['x-api-key', 'X-API-Key', 'authorization', 'Proxy-Authorization', 'cookie', 'set-cookie'])(
    'replaces the whole value of a field named %s, in an object and in one that is quoted',
    (name) => {
      for (const value of ['aB3', 'Digest user="aB3", aB3', 'a=aB3; b=\\aB3\n aB3', 'aB3 ://x:aB3@h'])
        for (const held of [value, [value], [value, 'b=aB3']]) {
          const headers = { host: 'h', [name]: held, accept: '*/*' };
          const line = redact(JSON.stringify({ headers, msg: JSON.stringify(headers) }));
          expect(line).not.toContain('aB3');
          const told = {
            host: 'h',
            [name]: Array.isArray(held) ? ['[redacted]'] : '[redacted]',
            accept: '*/*',
          };
          const parsed = JSON.parse(line);
          expect(parsed.headers).toEqual(told);
          expect(JSON.parse(parsed.msg)).toEqual(told);
        }
    },
  );

  it('finds what it is configured with however a URL writes it', () => {
    const adminKey = 'an-admin/key é of "us"';
    const encryptionKey = 'nabcdef+ghijklmnop/q=';
    const redactAll = createRedactor({ adminKey, encryptionKey });
    for (const secret of [adminKey, encryptionKey]) {
      const encoded = encodeURIComponent(secret);
      for (const text of [
        secret,
        encoded,
        encoded.toLowerCase(),
        encodeURIComponent(encoded),
        encodeURI(secret),
      ])
        expect(JSON.parse(redactAll(JSON.stringify({ msg: `at\n${text}!` })))).toEqual({
          msg: 'at\n[redacted]!',
        });
    }
    expect(redactAll(JSON.stringify({ msg: `key=${new URLSearchParams({ adminKey })}` }))).toBe(
      '{"msg":"key=adminKey=[redacted]"}',
    );
    const redactShort = createRedactor({
      redisUrl: 'redis://:s/x@cache',
      databaseUrl: 'postgres://u:s%2Fx@db/u',
    });
    expect(redactShort('{"msg":"\\npassword%3Ds%2fx"}')).toBe('{"msg":"\\npassword%3D[redacted]"}');
  });

  it('never takes a part of an escape, a closing quote or a number for a secret', () => {
    const redactAll = createRedactor({ adminKey: 'nabcdefghijklmnop', encryptionKey: '",abcdefghijkl' });
    for (const object of [
      { msg: 'x\nabcdefghijklmnop', next: 1 },
      { msg: 'bearer \\', next: 1 },
      { msg: 'bearer ', next: 'basic', 'basic ': 1, abcdefghijkl: 2 },
      { cookie: '', 'set-cookie': [], authorization: null, 'x-api-key': 17 },
      { msg: '"cookie":\\', next: '"cookie":"' },
      { msg: 'https://h:8080/of/me@home', next: 'http://[::1]:80/a@b' },
    ])
      expect(JSON.parse(redactAll(JSON.stringify(object)))).toEqual(object);
  });

  it('takes about as long for a hostile line as the line is long', () => {
    const length = 20_000;
    for (const part of [
      ' ',
      '%20',
      '\\',
      '\n',
      '://a:b',
      'bearer ',
      '"cookie":"',
      'unfold-',
      'whsec_',
      '%75',
      'pass ',
    ]) {
      const line = JSON.stringify({ msg: `bearer %20 ${part.repeat(length / part.length)}`, next: 1 });
      expect(JSON.parse(redact(line))).toHaveProperty('next', 1);
    }
  }, 2_000);

  it('leaves what only looks a little like it', () => {
    const text =
      '{"route":"/v1/jobs","path":"/v1/jobs/job-019aab2f7a107c55b0d1e2f3","msg":"unfold-worker is ready"}';
    expect(redact(text)).toBe(text);
    expect(createRedactor({})(text)).toBe(text);
  });
});
