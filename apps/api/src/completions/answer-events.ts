import { toEnvelope } from '@unfold/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import { toUnfoldError } from '../http/errors.ts';
import { openEventStream } from '../http/event-stream.ts';
import { RestartingError } from '../http/restarting.ts';
import type { CompletionChunk } from '../inference/protocol.ts';
import { type Completion, countTokens } from './completion.ts';

/** Writes chunks as events. All but index, text, log-probabilities and finish reason is the same in each: made once. */
const createEventWriter = (
  head: Completion['head'],
  withUsage: boolean,
): ((chunk: CompletionChunk) => string) => {
  const start = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":`;
  const end = withUsage ? ',"usage":null}\n\n' : '}\n\n';
  return ({ index, text, logprobs, finish_reason: finish }) =>
    `${start}${index},"text":${JSON.stringify(text)},"logprobs":${logprobs === null ? 'null' : JSON.stringify(logprobs)},` +
    `"finish_reason":${finish === null ? 'null' : `"${finish}"`}}]${end}`;
};

/** Nothing that a client could use: a character, or a possible stop text, is incomplete. */
const saysNothing = ({ text, logprobs, finish_reason: finish }: CompletionChunk): boolean =>
  text === '' && finish === null && logprobs === null;

interface Streamed {
  context: ApiContext;
  request: FastifyRequest;
  reply: FastifyReply;
  withUsage: boolean;
}

/**
 * Answers with the text as it becomes certain: an event a chunk, the choices' mixed as they come, then the usage if it was asked for, then
 * `[DONE]`. A failure before the first chunk is thrown; one in the middle becomes an event with the error, after which nothing comes.
 */
export const answerEvents = async (
  { context, request, reply, withUsage }: Streamed,
  { head, chunks }: Completion,
): Promise<FastifyReply> => {
  // Before the headers leave, a failure is still an ordinary error answer.
  let step = await chunks.next();
  const leave = context.sockets.enter('/v1/completions');
  const stream = openEventStream(reply, context.timings);
  stream.over.addEventListener('abort', leave);
  if (stream.over.aborted) leave();

  const send = async (): Promise<void> => {
    const eventOf = createEventWriter(head, withUsage);
    for (; !step.done; step = await chunks.next()) {
      if (saysNothing(step.value)) continue;
      if (!stream.write(eventOf(step.value))) await stream.ready();
    }
    const usage = countTokens(context.metrics, step.value);
    if (context.closing.aborted) throw new RestartingError();
    if (withUsage) stream.write(`data: ${JSON.stringify({ ...head, choices: [], usage })}\n\n`);
    stream.write('data: [DONE]\n\n');
  };
  void send()
    .catch((error) => {
      if (stream.over.aborted) return;
      const known = toUnfoldError(error);
      request.log.warn({ err: known, code: known.code }, 'a stream of tokens broke off');
      stream.write(`data: ${JSON.stringify(toEnvelope(known, request.id))}\n\n`);
    })
    .finally(() => stream.end());
  return reply;
};
