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

  it('leaves what only looks a little like it', () => {
    const text =
      '{"route":"/v1/jobs","path":"/v1/jobs/job-019aab2f7a107c55b0d1e2f3","msg":"unfold-worker is ready"}';
    expect(redact(text)).toBe(text);
    expect(createRedactor({})(text)).toBe(text);
  });
});
