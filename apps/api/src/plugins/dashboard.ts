import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import { UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** What `npm run build` makes of apps/dashboard. */
const builtPage = fileURLToPath(new URL('../../../dashboard/dist/page', import.meta.url));

/** The addresses of the page itself; what is shown at each is its own matter. Everything else stays the API's. */
const pageRoutes = ['/', '/runs', '/runs/:id', '/compare', '/new', '/playground', '/system'];

/** Files beside the page that keep their names when they change. */
const namedFiles = ['/theme.js', '/icon.svg'];

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Names of assets hold a hash of their content; everything else is asked for again. */
const cachingOf = (path: string): string =>
  path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';

const sayUnbuilt = (): never => {
  throw new UnfoldError(
    'not_found',
    'The page is not built here: run `npm run build` in the clone and start again. The API serves without it; see /docs.',
  );
};

/**
 * Serves the page of apps/dashboard: its own addresses with index.html, its assets for good, all of them open, since a
 * page that asks for the key must come without one. A server without a built page says so at those addresses.
 */
export const installDashboard = async (app: FastifyInstance, root = builtPage): Promise<void> => {
  const isBuilt = existsSync(`${root}/index.html`);
  await app.register(async (scope) => {
    if (isBuilt)
      await scope.register(fastifyStatic, {
        root,
        serve: false,
        preCompressed: true,
        cacheControl: false,
      });
    const send = (file: string, reply: FastifyReply): FastifyReply =>
      isBuilt
        ? reply
            .headers({
              'content-security-policy': policy,
              'cache-control': cachingOf(file),
              vary: 'accept-encoding',
            })
            .sendFile(file.slice(1))
        : sayUnbuilt();
    const add = (url: string, fileOf: (request: FastifyRequest) => string): void => {
      scope.route({
        method: ['GET', 'HEAD'],
        url,
        schema: { hide: true },
        config: { scope: null },
        handler: async (request, reply) => {
          const file = fileOf(request);
          // What the library would refuse in words of its own.
          return /^(\/\w[\w.-]*)+$/.test(file) ? send(file, reply) : reply.callNotFound();
        },
      });
    };
    for (const url of pageRoutes) add(url, () => '/index.html');
    for (const url of namedFiles) add(url, () => url);
    add('/assets/:file', (request) => `/assets/${(request.params as { file: string }).file}`);
  });
};
