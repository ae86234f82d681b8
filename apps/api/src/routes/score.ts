import { scoreRequest, scoreResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { modelParams, requireId } from '../http/parameters.ts';
import type { ScoredText } from '../inference/protocol.ts';
import { reserveTokens } from '../limits/quota.ts';
import { settling } from '../limits/settled-tokens.ts';
import { scoreExample, scoreRequestExample } from './examples.ts';

type ScoreCall = Call<{ params: z.output<typeof modelParams>; body: z.output<typeof scoreRequest> }>;

const scoreTexts = async ({ context, project, params, body, request, reply }: ScoreCall) => {
  const model = await context.models.find(project, requireId('model', params.id), 'id');
  const signal = goneSignal(reply, context.closing);
  const texts = [body.input].flat();
  const most = texts.reduce((total, text) => total + text.length, 0);
  const tokensOf = (scores: ScoredText[]) => scores.reduce((total, { tokens }) => total + tokens.length, 0);
  const settle = await reserveTokens(context, request, reply, most);
  const data = await settling(
    { most, settle, signal },
    () => context.inference.score(model.source, { texts, context: body.context }, signal),
    tokensOf,
  );
  const tokens = tokensOf(data);
  context.metrics.inferenceTokens.inc({ kind: 'prompt' }, tokens);
  return { object: 'list', data };
};

/** How likely a model finds a text. */
export const registerScoreRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/models/:id/score',
    scope: 'infer',
    tag: 'Inference',
    summary: 'Score text',
    description:
      'Log-probabilities in nats of every token given those before it, and the `context` if the model has one. The first token of an endless ' +
      'text has none before it: null. The score of a sequence includes its first token and its end.',
    params: modelParams,
    body: scoreRequest,
    response: { 200: scoreResource },
    errors: ['not_found', 'overloaded', 'limit_exceeded', 'artifact_corrupt'],
    docs: { request: scoreRequestExample, response: scoreExample },
    handler: scoreTexts,
  });
};
