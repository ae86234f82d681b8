import { type LookupAddress, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { UnfoldError } from '@unfold/contracts';
import ipaddr from 'ipaddr.js';

/** Where a webhook goes. */
export interface Target {
  url: URL;
  /** How the connection finds its address; undefined where the configuration trusts the host. */
  lookup: LookupFunction | undefined;
}

const refuse = (expected: string, received: string): UnfoldError =>
  new UnfoldError(
    'invalid_value',
    `url: expected ${expected}, but received ${JSON.stringify(received.slice(0, 80))}.`,
    {
      param: 'url',
    },
  );

/** Addresses of the whole internet alone: nothing private, local, shared, reserved, multicast, or that carries an IPv4 address within. */
export const isPublicAddress = (address: string): boolean => {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // IPv6 assigns global addresses from 2000::/3 alone (RFC 4291, section 2.4).
  return parsed.kind() === 'ipv4' || (parsed as ipaddr.IPv6).match(ipaddr.IPv6.parse('2000::'), 3);
};

/** The host's name says nothing of its address, and may change it: this is asked when the connection is made. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  constructor(host: string) {
    super(`The host "${host}" has no address on the public internet, and webhooks may not reach another.`);
  }
}

/** Finds a host's public addresses, for the very connection that is then made to one of them. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, []);
    const found = addresses.filter(({ address }) => isPublicAddress(address));
    const [first] = found;
    if (first === undefined) callback(new PrivateAddressError(hostname), []);
    else if (options.all) callback(null, found);
    else callback(null, first.address, first.family);
  });
};

/**
 * Reads an endpoint's address.
 * @param privateHosts hosts, each with or without a port, that may be private and need no TLS
 * @throws UnfoldError `invalid_value`, param `url`
 */
export const readTarget = (text: string, privateHosts: readonly string[]): Target => {
  if (!URL.canParse(text)) throw refuse('an absolute URL such as https://example.org/hooks', text);
  const url = new URL(text);
  const trusted = privateHosts.includes(url.host) || privateHosts.includes(url.hostname);
  if (url.protocol !== 'https:' && !(trusted && url.protocol === 'http:'))
    throw refuse('an https:// URL', text);
  if (url.username !== '' || url.password !== '') throw refuse('a URL without a user and password', text);
  if (url.hash !== '') throw refuse('a URL without a fragment', text);
  if (trusted) return { url, lookup: undefined };
  // A connection to a plain address looks nothing up.
  const address = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0 && !isPublicAddress(address))
    throw refuse('a host on the public internet', url.hostname);
  return { url, lookup: publicLookup };
};
