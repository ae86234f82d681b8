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

  it('leaves what only looks a little like it', () => {
    const text =
      '{"route":"/v1/jobs","path":"/v1/jobs/job-019aab2f7a107c55b0d1e2f3","msg":"unfold-worker is ready"}';
    expect(redact(text)).toBe(text);
    expect(createRedactor({})(text)).toBe(text);
  });
});
