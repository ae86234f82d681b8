import { describe, expect, it } from 'vitest';
import { isPublicAddress, readTarget } from './target.ts';

describe('isPublicAddress', () => {
  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e', '::ffff:8.8.8.8'])(
    'takes %s',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254'],
    ...['100.64.0.1', '224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '240.0.0.1', '192.0.0.1'],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:169.254.169.254',
      '::7f00:1',
      '::127.0.0.1',
    ],
    ...[
      'fe80::1',
      'fc00::1',
      'fd12::1',
      'fec0::1',
      'ff02::1',
      '2001:db8::1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
    ],
    ...['2002:7f00:1::', '2001::1', '100::1', '4000::1'],
  ])('refuses %s', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('readTarget', () => {
  it.each([
    'https://example.org/hooks?token=1',
    'https://example.org:8443/',
    'https://8.8.8.8/',
    'https://[2606:4700:4700::1111]/',
  ])('takes %s, and looks its addresses up', (text) => {
    expect(readTarget(text, []).url.href).toBe(text);
    expect(readTarget(text, []).lookup).toBeDefined();
  });

  it.each([
    ['example.org', 'an absolute URL'],
    ['http://example.org/', 'an https:// URL'],
    ['ftp://example.org/', 'an https:// URL'],
    ['https://user:word@example.org/', 'without a user and password'],
    ['https://example.org/#part', 'without a fragment'],
    ['https://127.0.0.1/', 'on the public internet'],
    ['https://2130706433/', 'on the public internet'],
    ['https://0x7f.1/', 'on the public internet'],
    ['https://[::1]/', 'on the public internet'],
    ['https://[::ffff:127.0.0.1]/', 'on the public internet'],
    ['https://169.254.169.254/latest/meta-data', 'on the public internet'],
  ])('refuses %s', (text, expected) => {
    expect(() => readTarget(text, [])).toThrow(expected);
    expect(() => readTarget(text, [])).toThrow(
      expect.objectContaining({ code: 'invalid_value', param: 'url' }),
    );
  });

  it('trusts hosts that the configuration names, on any port or on one', () => {
    for (const [text, host] of [
      ['http://127.0.0.1:3000/', '127.0.0.1'],
      ['http://hooks.internal/', 'hooks.internal'],
      ['https://hooks.internal:8443/', 'hooks.internal:8443'],
      ['http://[::1]:3000/', '[::1]:3000'],
    ])
      expect(readTarget(text!, [host!]).lookup, text).toBeUndefined();
    expect(() => readTarget('http://127.0.0.1:3001/', ['127.0.0.1:3000'])).toThrow('https');
    expect(() => readTarget('ftp://127.0.0.1/', ['127.0.0.1'])).toThrow('https');
  });
});
