import { type CompletionRequest, completionRequest, completionResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { answerEvents } from '../completions/answer-events.ts';
import { expectAnswerFits } from '../completions/answer-size.ts';
import { answerWhole } from '../completions/answer-whole.ts';
import { type Completion, completionHead } from '../completions/completion.ts';
import { completionOptions } from '../completions/completion-options.ts';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import type { CompletionOptions } from '../inference/protocol.ts';
import { hasTokenLimit, reserveTokens } from '../limits/quota.ts';
import { settledTokens } from '../limits/settled-tokens.ts';
import { completeInSession } from '../sessions/complete-in-session.ts';
import { findSessionModel, ownerOf } from '../sessions/session-call.ts';
import { completionExample, completionRequestExample } from './examples.ts';

type CompletionCall = Call<{ body: CompletionRequest }>;

/** Starts nothing before the first chunk is asked for. */
const complete = async ({ context, project, body, request, reply }: CompletionCall): Promise<Completion> => {
  const { models, inference, sessionLeases: leases, closing } = context;
  const { session, stream: streamed } = body;
  const owner = ownerOf(request, project);
  const options = completionOptions(body, owner);
  expectAnswerFits(options, streamed, context.config.limits.answerTokens);
  const model =
    session === null
      ? await models.find(project, body.model, 'model')
      : await findSessionModel(context, owner, session, body.model);
  const signal = goneSignal(reply, closing);
  const run = (from: Partial<CompletionOptions> = {}) =>
    inference.complete(model.source, { ...options, ...from }, signal);
  const chunks =
    session === null ? run() : completeInSession({ leases, owner, session, signal, streamed, run });
  const reserve = (most: number) => reserveTokens(context, request, reply, most);
  return {
    head: completionHead(model.id, session),
    choices: options.prompts.length * options.n,
    chunks: hasTokenLimit(request) ? settledTokens(chunks, { options, reserve, signal }) : chunks,
  };
};

const createCompletion = async (call: CompletionCall) => {
  const { context, body, request, reply } = call;
  if (body.stream) context.sockets.requireRoom();
  const completion = await complete(call);
  if (!body.stream) return answerWhole(context.metrics, completion);
  const withUsage = body.stream_options?.include_usage ?? false;
  return answerEvents({ context, request, reply, withUsage }, completion);
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
      '`data: {json}` each and `data: [DONE]` at the end; the choices are mixed, each event naming its own. A given `seed` gives the same text again. ' +
      'Models of sequences (`text.sequences` other than whole) end them by themselves: `finish_reason` is then "stop". ' +
      'With `session` the prompt is read, and the text written, on top of what the session remembers, which then stands after the last token of the answer. ' +
      "Null means a field's default.",
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
    errors: [
      'not_found',
      'contradictory_options',
      'wrong_state',
      'session_busy',
      'overloaded',
      'limit_exceeded',
      'artifact_corrupt',
    ],
    docs: { request: completionRequestExample, response: completionExample },
    handler: createCompletion,
  });
};
