import type {
  DeletedResource,
  ForkRequestInput,
  SessionRequestInput,
  SessionResource,
  SnapshotResource,
} from '@unfold/contracts';
import { type CallOptions, type CreateOptions, type Http, newIdempotencyKey } from '../http.ts';
import { type List, listAt, type PageOptions, part } from '../pages.ts';

export interface SessionListOptions extends PageOptions {
  /** Only sessions of this model: by its id, or of all models that have this name. */
  model?: string | undefined;
}

/** Points of a session that are kept. */
export interface Snapshots {
  list: List<SnapshotResource>['list'];
  create(options?: CreateOptions): Promise<SnapshotResource>;
  delete(snapshot: string, options?: CallOptions): Promise<DeletedResource>;
}

/** What models remember between calls. */
export interface Sessions extends List<SessionResource, SessionListOptions> {
  create(request: SessionRequestInput, options?: CreateOptions): Promise<SessionResource>;
  get(id: string, options?: CallOptions): Promise<SessionResource>;
  delete(id: string, options?: CallOptions): Promise<DeletedResource>;
  /** Another session at the same point, or at a snapshot. */
  fork(id: string, request?: ForkRequestInput, options?: CreateOptions): Promise<SessionResource>;
  snapshots(id: string): Snapshots;
  /** Goes back to a snapshot of the session. */
  restore(id: string, snapshot: string, options?: CallOptions): Promise<SessionResource>;
  /** The state, to be kept elsewhere, as the body of the answer. */
  state(id: string, options?: CallOptions): Promise<Response>;
}

export const createSessions = (http: Http): Sessions => {
  const path = '/v1/sessions';
  const at = (id: string): string => `${path}/${part(id)}`;
  const create = <T>(where: string, json: unknown, options: CreateOptions = {}): Promise<T> =>
    http.call(where, { method: 'POST', json, idempotencyKey: newIdempotencyKey(), ...options });
  return {
    ...listAt<SessionResource, SessionListOptions>(http, path),
    create: (request, options) => create(path, request, options),
    get: (id, options) => http.call(at(id), options),
    delete: (id, options) => http.call(at(id), { ...options, method: 'DELETE' }),
    fork: (id, request, options) => create(`${at(id)}/fork`, request, options),
    snapshots: (id) => ({
      list: listAt<SnapshotResource>(http, `${at(id)}/snapshots`).list,
      create: (options) => create(`${at(id)}/snapshots`, undefined, options),
      delete: (snapshot, options) =>
        http.call(`${at(id)}/snapshots/${part(snapshot)}`, { ...options, method: 'DELETE' }),
    }),
    restore: (id, snapshot, options) =>
      http.call(`${at(id)}/restore`, { ...options, method: 'POST', json: { snapshot }, repeatable: true }),
    state: (id, options) => http.send(`${at(id)}/state`, options),
  };
};
