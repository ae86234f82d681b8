import type { SessionResource } from '@unfold/contracts';
import { type AddressOptions, findService } from './inference-commands.ts';

const lineOf = ({ id, model, tokens, last_used_at: used, expires_at: expires }: SessionResource): string =>
  [id, model, `${tokens} tokens`, `used ${used}`, `expires ${expires}`].join('\t');

export interface ListOptions extends AddressOptions {
  model?: string;
}

/** `unfold sessions list`: one a line, newest first. */
export const listSessions = async (options: ListOptions): Promise<void> => {
  const api = await findService(options);
  for await (const session of api.sessions(options.model)) console.log(lineOf(session));
};

/** `unfold sessions create`: prints the id alone, for scripts. */
export const createSession = async (model: string, options: AddressOptions): Promise<void> =>
  console.log((await (await findService(options)).createSession(model)).id);

/** `unfold sessions fork`: prints the id of the new session. */
export const forkSession = async (id: string, options: AddressOptions): Promise<void> =>
  console.log((await (await findService(options)).forkSession(id)).id);

/** `unfold sessions delete` */
export const deleteSession = async (id: string, options: AddressOptions): Promise<void> =>
  (await findService(options)).deleteSession(id);
