import { setMaxListeners } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { constants } from 'node:zlib';
import fastifyCompress from '@fastify/compress';
import fastifyCors from '@fastify/cors';
import type { Config } from '@unfold/config';
import type { Queue } from '@unfold/queue';
import type { Store } from '@unfold/store';
import { noTracing, type Tracing } from '@unfold/telemetry';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import helmet from 'helmet';
import type { Timings } from './context.ts';
import { createContext } from './create-context.ts';
import { atOnce } from './http/at-once.ts';
import { installBodyParser } from './http/body-parser.ts';
import { parseQueryString } from './http/query-string.ts';
import { requestIdOf } from './http/request-id.ts';
import { RestartingError } from './http/restarting.ts';
import { validatorCompiler } from './http/validation.ts';
import { findEngine } from './inference/find-engine.ts';
import { createLog } from './log.ts';
import { installAdmission } from './plugins/admission.ts';
import { assertGuarded } from './plugins/api-keys.ts';
import { installDashboard } from './plugins/dashboard.ts';
import { answerClientError, answerFrameworkError, installErrorAnswers } from './plugins/error-answers.ts';
import { installHostAndOriginCheck } from './plugins/host-and-origin.ts';
import { installOpenApi } from './plugins/openapi.ts';
import { installRequestLog } from './plugins/request-log.ts';
import { installRequestSpan } from './plugins/request-span.ts';
import { installWebSockets } from './plugins/websockets.ts';
import { registerRoutes } from './routes/register-routes.ts';

export interface ApiOptions {
  config: Config;
  /** Stays open when the server closes. */
  store: Store;
  /** Stays open when the server closes. */
  queue: Queue;
  log?: FastifyBaseLogger;
  timings?: Partial<Timings>;
  /** Stays open when the server closes. */
  tracing?: Tracing;
  /** Folder of the built page; where there is none, its addresses say so. Default: that of apps/dashboard. */
  pageDir?: string | undefined;
}

const standardTimings: Timings = {
  pingMs: 30_000,
  stallMs: 30_000,
  headsMs: 1000,
  patienceMs: 5000,
  reconcileMs: 30_000,
  webhookPollMs: 1000,
  webhookTimeoutMs: 10_000,
  webhookRetryMs: 5000,
  leaseMs: 15_000,
};

/** An upload of the largest size over a slow line. */
const requestTimeoutMs = 3_600_000;

const createServer = (config: Config, log: FastifyBaseLogger): FastifyInstance =>
  fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    // Without options, which pino takes its time over.
    childLoggerFactory: (parent, bindings, options) =>
      Object.keys(options).length === 0 ? parent.child(bindings) : parent.child(bindings, options),
    bodyLimit: config.limits.bodyBytes,
    requestTimeout: requestTimeoutMs,
    // A missing Host header is refused in our own envelope, too.
    http: { requireHostHeader: false },
    exposeHeadRoutes: false,
    // Given here, since fastify loads compilers of its own, which take a tenth of a second, where it begins without.
    schemaController: {
      compilersFactory: {
        buildValidator: () => validatorCompiler as never,
        // Answers are typed by the contracts and held against them in tests; encoding each one again would cost as much as
        // reading it.
        buildSerializer: () => () => (data) => JSON.stringify(data),
      },
    },
    // Requests during the stop are refused in our own envelope.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500, querystringParser: parseQueryString },
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
  }) as unknown as FastifyInstance;

/** What keeps browsers from misusing an answer. Made once, since they are the same in all and helmet composes them anew for each. */
const securityHeaders = (): ReturnType<ServerResponse['getHeaders']> => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  const apply = helmet({
    // Answers are data: nothing may run in them. The page at /docs has a policy of its own.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // Whoever ends TLS before this server decides about HTTPS.
    strictTransportSecurity: false,
  });
  apply(response.req, response, () => {});
  return response.getHeaders();
};

const installSecurity = async (app: FastifyInstance, config: Config): Promise<void> => {
  const headers = securityHeaders();
  app.addHook(
    'onRequest',
    atOnce((_request, reply) => void reply.headers(headers)),
  );
  installHostAndOriginCheck(app, config);
  if (config.allowedOrigins.length > 0)
    await app.register(fastifyCors, {
      origin: config.allowedOrigins,
      methods: ['GET', 'POST', 'DELETE'],
      // Which headers a client's library adds is its own matter (OpenAI's adds a dozen): they are allowed as asked for.
      exposedHeaders: [
        'x-request-id',
        'etag',
        'location',
        'retry-after',
        'content-disposition',
        'content-range',
        'idempotent-replayed',
        ...['requests', 'tokens'].flatMap((kind) =>
          ['limit', 'remaining', 'reset'].map((what) => `x-ratelimit-${what}-${kind}`),
        ),
      ],
      maxAge: 600,
      strictPreflight: false,
    });
};

/** Text of some length, but no event stream, whose events must leave at once, and nothing that is compact already. */
const installCompression = async (app: FastifyInstance): Promise<void> => {
  await app.register(fastifyCompress, {
    globalDecompression: false,
    threshold: 2048,
    encodings: ['br', 'gzip'],
    customTypes:
      /^(?:application\/(?:[\w.+-]+\+)?json|text\/(?:plain|html|css|javascript)|image\/svg\+xml)\b/,
    // Of numbers, which long answers consist of, the next ones make hardly less and take two to eight times as long.
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } },
  });
};

/**
 * Builds the API on an open store and queue, which stay the caller's to close. Closing the server ends streams and
 * sockets (1001), waiting requests and the inference threads.
 * @throws if the host is not loopback and there is no API key, or the configured engine is missing
 */
export const buildApi = async (options: ApiOptions): Promise<FastifyInstance> => {
  const { config, store, queue, tracing = noTracing } = options;
  await assertGuarded(config, store);
  const app = createServer(config, options.log ?? createLog(config));
  const closing = new AbortController();
  // Every stream and every waiting request listens.
  setMaxListeners(0, closing.signal);
  const given = {
    config,
    store,
    queue,
    log: app.log,
    timings: { ...standardTimings, ...options.timings },
    closing: closing.signal,
    tracing,
  };
  const { context, stop } = createContext(given, await findEngine(config.engine, app.log));

  app.decorateRequest('identity', null);
  installBodyParser(app);
  installErrorAnswers(app);
  installRequestLog(app, context.metrics);
  if (tracing !== noTracing) installRequestSpan(app, tracing);
  const refuseWhileClosing = (_request: FastifyRequest, reply: FastifyReply): void => {
    if (!closing.signal.aborted) return;
    reply.header('connection', 'close');
    throw new RestartingError();
  };
  app.addHook('onRequest', atOnce(refuseWhileClosing));
  app.addHook('preClose', async () => {
    closing.abort(new RestartingError());
    setTimeout(() => app.server.closeAllConnections(), context.timings.patienceMs).unref();
  });
  app.addHook('onClose', stop);

  await installSecurity(app, config);
  await installCompression(app);
  await installWebSockets(app, context.sockets);
  installAdmission(app, context);
  await installOpenApi(app);
  await app.register(async (routes) => registerRoutes(routes, context));
  await installDashboard(app, options.pageDir);
  return app;
};
