import { type CompletionRequest, completionRequest, completionResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { answerEvents } from '../completions/answer-events.ts';
import { answerWhole } from '../completions/answer-whole.ts';
import { completionHead } from '../completions/completion.ts';
import { completionOptions } from '../completions/completion-options.ts';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { completionExample, completionRequestExample } from './examples.ts';

const createCompletion = async ({
  context,
  project,
  body,
  request,
  reply,
}: Call<{ body: CompletionRequest }>) => {
  const model = await context.models.find(project, body.model, 'model');
  const options = completionOptions(body, project);
  const signal = goneSignal(reply, context.closing);
  const completion = {
    head: completionHead(model.id, body.session),
    choices: options.prompts.length * options.n,
    chunks: context.inference.complete(model.source, options, signal),
  };
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
    errors: ['not_found', 'contradictory_options', 'overloaded', 'limit_exceeded', 'artifact_corrupt'],
    docs: { request: completionRequestExample, response: completionExample },
    handler: createCompletion,
  });
};
