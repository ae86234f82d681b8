import { describe, expect, it } from 'vitest';
import { refuseUnstorableText } from './storable.ts';

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

describe('refuseUnstorableText', () => {
  it('names the place of what cannot be stored', () => {
    const lone = '\ud800';
    expect(() => refuseUnstorableText({ a: [{ b: 'x' }, { b: lone }] })).toThrow(
      'a[1].b: expected valid Unicode, but received a lone surrogate.',
    );
    expect(() => refuseUnstorableText({ a: { 'b\u0000': 1 } })).toThrow(
      'a: expected text without the character U+0000.',
    );
    expect(() => refuseUnstorableText(lone)).toThrow(/^the request: /);
  });

  it('takes 64 levels and no more', () => {
    expect(() => refuseUnstorableText(nested(64))).not.toThrow();
    expect(() => refuseUnstorableText(nested(65))).toThrow('expected at most 64 levels of nesting');
  });

  it('is done with a deep body and with a wide one before anyone waits', () => {
    const started = performance.now();
    expect(() => refuseUnstorableText(nested(100_000))).toThrow(/levels/);
    refuseUnstorableText(Array.from({ length: 100_000 }, () => ({ key: 'text' })));
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
