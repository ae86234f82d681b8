import type { DeletedResource, KeyRequestInput, KeyResource } from '@unfold/contracts';
import type { CallOptions, CreateOptions, Http } from '../http.ts';
import { type List, listAt, part } from '../pages.ts';

/** API keys; these calls need one with the scope `admin`. */
export interface Keys extends List<KeyResource> {
  /** The answer holds the secret, once. Repeated only with a key of yours, since a repeated answer lacks the secret. */
  create(request: KeyRequestInput, options?: CreateOptions): Promise<KeyResource>;
  delete(id: string, options?: CallOptions): Promise<DeletedResource>;
}

export const createKeys = (http: Http): Keys => {
  const path = '/v1/keys';
  return {
    ...listAt<KeyResource>(http, path),
    create: (request, options) => http.call(path, { ...options, method: 'POST', json: request }),
    delete: (id, options) => http.call(`${path}/${part(id)}`, { ...options, method: 'DELETE' }),
  };
};
