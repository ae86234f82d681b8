import { randomUUID } from 'node:crypto';
import {
  type CompletionRequest,
  type CompletionResource,
  completionRequest,
  completionResource,
  type FinishReason,
  toEnvelope,
} from '@unfold/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { toUnfoldError } from '../http/errors.ts';
import { openEventStream } from '../http/event-stream.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { findModel } from '../inference/find-model.ts';
import type { CompletionChunk, CompletionOptions, CompletionResult } from '../inference/protocol.ts';
import { completionExample, completionRequestExample } from './examples.ts';

type Chunks = AsyncGenerator<CompletionChunk, CompletionResult>;
type CompletionCall = Call<{ body: CompletionRequest }>;

const toOptions = (body: CompletionRequest, project: string): CompletionOptions => ({
  prompts: [body.prompt],
  max_tokens: body.max_tokens,
  temperature: body.temperature,
  top_p: body.top_p,
  top_k: body.top_k,
  stop: body.stop === null ? [] : [body.stop].flat(),
  seed: body.seed,
  context: body.context,
  n: body.n,
  best_of: body.best_of,
  beam_width: null,
  echo: body.echo,
  logprobs: body.logprobs,
  frequency_penalty: body.frequency_penalty,
  presence_penalty: body.presence_penalty,
  logit_bias: body.logit_bias,
  cache_scope: project,
  session: null,
});

type Shape = Pick<CompletionResource, 'id' | 'object' | 'created' | 'model'>;

const newShape = (model: string): Shape => ({
  id: `cmpl-${randomUUID().replaceAll('-', '')}`,
  object: 'text_completion',
  created: Math.floor(Date.now() / 1000),
  model,
});

const choice = (text: string, finish: FinishReason | null) => ({
  index: 0,
  text,
  logprobs: null,
  finish_reason: finish,
});

const countTokens = (
  { metrics }: ApiContext,
  result: CompletionResult,
): NonNullable<CompletionResource['usage']> => {
  metrics.inferenceTokens.inc({ kind: 'prompt' }, result.prompt_tokens);
  metrics.inferenceTokens.inc({ kind: 'completion' }, result.completion_tokens);
  const { prompt_tokens, completion_tokens } = result;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
};

const completeAtOnce = async (
  context: ApiContext,
  shape: Shape,
  chunks: Chunks,
): Promise<CompletionResource> => {
  const text: string[] = [];
  let finish: FinishReason = 'length';
  let step = await chunks.next();
  for (; !step.done; step = await chunks.next()) {
    text.push(step.value.text);
    finish = step.value.finish_reason ?? finish;
  }
  return { ...shape, choices: [choice(text.join(''), finish)], usage: countTokens(context, step.value) };
};

const completeAsEvents = async (
  call: CompletionCall,
  shape: Shape,
  chunks: Chunks,
): Promise<FastifyReply> => {
  const { context, request, reply } = call;
  // Before the headers leave, a failure is still an ordinary error answer.
  let step = await chunks.next();
  const stream = openEventStream(reply, { ...context.timings, closing: context.closing });
  const leave = context.sockets.enter('/v1/completions');
  const send = (data: unknown): boolean => stream.write(`data: ${JSON.stringify(data)}\n\n`);
  const withUsage = call.body.stream_options?.include_usage ?? false;
  const events: Shape & { usage?: null } = withUsage ? { ...shape, usage: null } : shape;
  stream.over.addEventListener('abort', leave);
  void (async () => {
    try {
      for (; !step.done && !stream.over.aborted; step = await chunks.next()) {
        const { text, finish_reason: finish } = step.value;
        if (text === '' && finish === null) continue;
        if (!send({ ...events, choices: [choice(text, finish)] }))
          await Promise.race([stream.ready(), aborted(stream.over)]);
      }
      if (step.done) {
        const usage = countTokens(context, step.value);
        if (withUsage) send({ ...shape, choices: [], usage });
      }
      stream.write('data: [DONE]\n\n');
    } catch (error) {
      const known = toUnfoldError(error);
      request.log.warn({ err: known, code: known.code }, 'a stream of tokens broke off');
      send(toEnvelope(known, request.id));
    } finally {
      await chunks.return({ prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, session: null });
      stream.end();
    }
  })();
  return reply;
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

const createCompletion = async (call: CompletionCall) => {
  const { context, project, body, reply } = call;
  const model = await findModel(context.store, project, body.model, 'model');
  const signal = goneSignal(reply, context.closing);
  const chunks = context.inference.complete(model.source, toOptions(body, project), signal);
  if (!body.stream) return completeAtOnce(context, newShape(model.id), chunks);
  context.sockets.requireRoom();
  return completeAsEvents(call, newShape(model.id), chunks);
};

/** Text generation, in OpenAI's shape. */
export const registerCompletionRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/completions',
    scope: 'infer',
    tag: 'Inference',
    summary: 'Generate text',
    description:
      "In OpenAI's shape. `model` is a model's id, a checkpoint's id or a model's name. With `stream` the tokens come as server-sent events, " +
      '`data: {json}` each and `data: [DONE]` at the end. A given `seed` gives the same text again. ' +
      'Models of sequences (`text.sequences` other than whole) end them by themselves: `finish_reason` is then "stop". ' +
      "Null means a field's default. Parameters of OpenAI's that are not supported are taken where they ask for nothing.",
    body: completionRequest,
    response: {
      200: {
        description: 'The text, at once or in events.',
        content: {
          'application/json': { schema: completionResource },
          'text/event-stream': { schema: z.string() },
        },
      },
    },
    errors: ['not_found', 'overloaded', 'limit_exceeded', 'artifact_corrupt'],
    docs: { request: completionRequestExample, response: completionExample },
    handler: createCompletion,
  });
};
