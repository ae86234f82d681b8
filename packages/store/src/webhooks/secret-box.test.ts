import { describe, expect, it } from 'vitest';
import { createSecretBox } from './secret-box.ts';

const secret = 'whsec_c2VjcmV0';

describe('a secret box with a key', () => {
  const box = createSecretBox('a key of the configuration');

  it('opens what it sealed, and seals no secret twice alike', () => {
    const sealed = box.seal(secret, 'we-1');
    expect(sealed).not.toContain('c2VjcmV0');
    expect(box.seal(secret, 'we-1')).not.toBe(sealed);
    expect(box.open(sealed, 'we-1')).toBe(secret);
  });

  it('opens nothing of another key, another owner, or that was changed', () => {
    const sealed = box.seal(secret, 'we-1');
    expect(createSecretBox('another key').open(sealed, 'we-1')).toBeNull();
    expect(createSecretBox(null).open(sealed, 'we-1')).toBeNull();
    expect(box.open(sealed, 'we-2')).toBeNull();
    expect(box.open(`${sealed.slice(0, -4)}AAAA`, 'we-1')).toBeNull();
    expect(box.open('sealed:', 'we-1')).toBeNull();
  });

  it('opens what was stored before there was a key', () => {
    expect(box.open(createSecretBox(null).seal(secret, 'we-1'), 'we-1')).toBe(secret);
  });
});
