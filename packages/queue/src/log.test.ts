import { describe, expect, it } from 'vitest';
import { limitRate } from './log.ts';

describe('the rate limit of the log', () => {
  it('lets the same message with the same error through once, and counts the rest', async () => {
    const lines: string[] = [];
    const log = limitRate((level, message) => lines.push(`${level} ${message}`), 50);
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    for (let time = 0; time < 5; time += 1) log('warn', 'disturbed', refused);
    log('warn', 'disturbed', new Error('another'));
    log('error', 'disturbed', refused);
    expect(lines).toEqual(['warn disturbed', 'warn disturbed', 'error disturbed']);
    const began = performance.now();
    while (performance.now() - began < 60) await new Promise((resolve) => setImmediate(resolve));
    log('warn', 'disturbed', refused);
    expect(lines.at(-1)).toBe('warn disturbed (4 more since)');
  });
});
