import { describe, expect, it } from 'vitest';
import { toJson } from './clean-json.ts';

describe('JSON for PostgreSQL', () => {
  it.each([
    ['a\u0000b', 'a\ufffdb'],
    ['\ud83d', '\ufffd'],
    ['\udc33\ud83d', '\ufffd\ufffd'],
    ['\ud83d\udc33', '\ud83d\udc33'],
    ['\\u0000', '\\u0000'],
    ['\\\u0000', '\\\ufffd'],
  ])('%j becomes %j, as a key too and however deep', (given, expected) => {
    expect(JSON.parse(toJson([{ [given]: { deep: [given] } }]))).toEqual([
      { [expected]: { deep: [expected] } },
    ]);
  });
});
