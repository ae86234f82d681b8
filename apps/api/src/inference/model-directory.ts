import type { Store } from '@unfold/store';
import { findModel } from './find-model.ts';

export type FoundModel = Awaited<ReturnType<typeof findModel>>;

/** Where models are. A small completion costs less than asking the database for its model, so answers are remembered for a moment. */
export interface ModelDirectory {
  /** As `findModel`; what another process changed, a name's newest model included, is seen within a second. */
  find(project: string, reference: string, param: string): Promise<FoundModel>;
  /** To be called when this process made or deleted a model, so that it sees that at once. */
  forget(): void;
}

const rememberMs = 1000;
const mostRemembered = 1000;

export const createModelDirectory = (store: Pick<Store, 'models' | 'artifacts'>): ModelDirectory => {
  /** By project and reference, oldest first. Kept from when they were asked, so that none is older than it seems. */
  const known = new Map<string, { found: Promise<FoundModel>; until: number }>();

  const ask = (key: string, project: string, reference: string, param: string): Promise<FoundModel> => {
    const found = findModel(store, project, reference, param);
    const entry = { found, until: performance.now() + rememberMs };
    known.delete(key);
    known.set(key, entry);
    for (const oldest of known.keys()) {
      if (known.size <= mostRemembered) break;
      known.delete(oldest);
    }
    // Only what exists is remembered: a model that is made is there at once.
    found.catch(() => {
      if (known.get(key) === entry) known.delete(key);
    });
    return found;
  };

  return {
    find(project, reference, param) {
      // No project's name has a space. A refusal names the field, so that one of several is of no use to the others.
      const key = `${project} ${param} ${reference}`;
      const entry = known.get(key);
      return entry !== undefined && performance.now() < entry.until
        ? entry.found
        : ask(key, project, reference, param);
    },
    forget: () => known.clear(),
  };
};
