import { type Config, isLoopback } from '@unfold/config';
import { UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { atOnce } from '../http/at-once.ts';

const nameOf = (host: string): string => host.replace(/:\d{1,5}$/, '');

const isAllowedHost = (host: string, config: Config): boolean => {
  const name = nameOf(host);
  if (isLoopback(name) || name.replace(/^\[|\]$/g, '') === config.host.toLowerCase()) return true;
  return config.allowedHosts.includes(host) || config.allowedHosts.includes(name);
};

/** The `host[:port]` of an origin, without the port that its scheme implies, as browsers write it; null for `null`. */
const hostOfOrigin = (origin: string): string | null =>
  URL.canParse(origin) ? new URL(origin).host.toLowerCase() : null;

const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** Every host that a request names: all `Host` headers, since Node keeps only the first, and that of an absolute URL. */
const hostsOf = ({ raw }: FastifyRequest): string[] => {
  const headers = raw.rawHeaders.filter(
    (_, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === 'host',
  );
  const inUrl = absoluteForm.exec(raw.url ?? '')?.[1];
  return (inUrl === undefined ? headers : [...headers, inUrl]).map((host) => host.toLowerCase());
};

const refuseForeignHost = (request: FastifyRequest, config: Config): void => {
  const hosts = hostsOf(request);
  if (hosts.length === 0)
    throw new UnfoldError('forbidden_host', 'expected the header Host, but received none.');
  const foreign = hosts.find((host) => !isAllowedHost(host, config));
  if (foreign === undefined) return;
  throw new UnfoldError(
    'forbidden_host',
    `The host "${foreign.slice(0, 80)}" is not one of this server's. Expected a loopback name or an entry of UNFOLD_ALLOWED_HOSTS.`,
  );
};

const refuseForeignOrigin = (request: FastifyRequest, config: Config): void => {
  const { origin, host } = request.headers;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (origin === undefined || (reads && !request.headers.upgrade)) return;
  if (config.allowedOrigins.includes(origin.toLowerCase())) return;
  if (hostOfOrigin(origin) === host?.toLowerCase()) return;
  throw new UnfoldError(
    'forbidden_origin',
    `Pages of "${origin.slice(0, 80)}" may not do this. Expected this server's own origin or an entry of UNFOLD_ALLOWED_ORIGINS.`,
  );
};

/**
 * A web page must not reach a local service: the `Host` header must name this server (DNS rebinding), and a foreign
 * `Origin` may neither change anything nor open a socket.
 */
export const installHostAndOriginCheck = (app: FastifyInstance, config: Config): void => {
  const refuseForeign = (request: FastifyRequest): void => {
    refuseForeignHost(request, config);
    refuseForeignOrigin(request, config);
  };
  app.addHook('onRequest', atOnce(refuseForeign));
};
