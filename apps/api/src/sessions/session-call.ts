import { type CompletionRequest, completionRequest, sessionId, UnfoldError } from '@unfold/contracts';
import type { KeptState, SessionOwner } from '@unfold/store';
import type { FastifyRequest } from 'fastify';
import { completionOptions } from '../completions/completion-options.ts';
import type { ApiContext } from '../context.ts';
import type { CallSignal } from '../http/gone-signal.ts';
import { unknown } from '../http/parameters.ts';
import { endOf } from '../http/restarting.ts';
import type { FoundModel } from '../inference/model-directory.ts';
import type { CompletionOptions, ModelSource } from '../inference/protocol.ts';

/** Whose sessions a request may use: those of its own key, whatever other scopes it has. */
export const ownerOf = (request: FastifyRequest, project: string): SessionOwner => ({
  project,
  key: request.identity?.id ?? 'local',
});

const orNull = (error: unknown): null => {
  if (error instanceof UnfoldError && error.code === 'not_found') return null;
  throw error;
};

/** Null: there is none. */
const findOrNull = async (
  { models }: Pick<ApiContext, 'models'>,
  ...asked: Parameters<ApiContext['models']['find']>
): Promise<FoundModel | null> => {
  try {
    return await models.find(...asked);
  } catch (error) {
    return orNull(error);
  }
};

/** Whether a name is the model's, be it the newest of that name or not. */
const standsFor = async (
  { store, models }: Pick<ApiContext, 'store' | 'models'>,
  project: string,
  name: string,
  id: string,
): Promise<boolean> => {
  // The newest one's place is remembered, so that in the common case nobody is asked.
  const newest = await findOrNull({ models }, project, name, 'model');
  return newest?.id === id || (await store.models.get(project, id).catch(orNull))?.name === name;
};

/**
 * The model that a session goes on with, which the request must name by its id or its name. A newer model of that name does
 * not take over.
 * @throws UnfoldError `not_found` for the session, also where its model is gone as well, `wrong_state` if only that was deleted, `invalid_value` if another one is named
 */
export const findSessionModel = async (
  { store, models, sessionLeases }: Pick<ApiContext, 'store' | 'models' | 'sessionLeases'>,
  owner: SessionOwner,
  session: string,
  reference: CompletionRequest['model'],
): Promise<FoundModel> => {
  const known = sessionId.safeParse(session).success;
  const id = known ? await sessionLeases.modelOf(owner, session).catch(orNull) : null;
  if (id === null) throw unknown('session', session, 'session');
  const model = await findOrNull({ models }, owner.project, id, 'session');
  if (model === null) {
    // The session's model may have been remembered from a time before the session itself was deleted.
    if ((await store.sessions.get(owner, session).catch(orNull)) === null)
      throw unknown('session', session, 'session');
    throw new UnfoldError('wrong_state', `session: ${session} goes on with ${id}, which was deleted.`, {
      param: 'session',
    });
  }
  if (reference === id || (await standsFor({ store, models }, owner.project, reference, id))) return model;
  throw new UnfoldError(
    'invalid_value',
    `model: expected ${JSON.stringify(id)}, which session ${session} goes on with, but received ${JSON.stringify(reference)}.`,
    { param: 'model' },
  );
};

/** Reads nothing and writes nothing: what comes back is the state that was given, once it was found to be one. */
const optionsToOpen = (
  model: string,
  owner: SessionOwner,
  from: Pick<CompletionOptions, 'session' | 'context'>,
): CompletionOptions => ({
  ...completionOptions(completionRequest.parse({ model, prompt: '', max_tokens: 0 }), owner),
  ...from,
});

/** @throws UnfoldError with the field of a new session */
const open = async (
  { inference }: Pick<ApiContext, 'inference'>,
  model: { id: string; source: ModelSource },
  owner: SessionOwner,
  { state, context }: { state: Uint8Array | null; context: CompletionOptions['context'] },
  signal: CallSignal,
): Promise<KeptState> => {
  const options = optionsToOpen(model.id, owner, { session: { state }, context });
  const chunks = inference.complete(model.source, options, signal);
  try {
    let step = await chunks.next();
    while (!step.done) step = await chunks.next();
    if (step.value.session === null) throw endOf(signal);
    return step.value.session;
  } catch (error) {
    // The field of a completion that holds a state is another one.
    if (error instanceof UnfoldError && error.param === 'session')
      throw new UnfoldError(error.code, error.message.replace(/^session\b/, 'state'), {
        param: 'state',
        cause: error,
      });
    throw error;
  }
};

/**
 * The state that a new session begins with.
 * @param from a state that this model gave before, or null for the beginning
 * @throws UnfoldError `invalid_value` for a state that is not this model's, a context that it cannot take, or a model that writes no text
 */
export const openState = async (
  context: Pick<ApiContext, 'inference'>,
  model: { id: string; source: ModelSource },
  owner: SessionOwner,
  from: { state: Uint8Array | null; context: CompletionOptions['context'] },
  signal: CallSignal,
): Promise<KeptState> => {
  const kept = await open(context, model, owner, from, signal);
  // A state that has read nothing is the beginning, whatever its numbers say.
  if (from.state === null || kept.tokens > 0) return kept;
  return open(context, model, owner, { ...from, state: null }, signal);
};
