import type { Store } from '@unfold/store';
import { createRemembered } from '../remembered.ts';
import { findModel } from './find-model.ts';

export type FoundModel = Awaited<ReturnType<typeof findModel>>;

/** Where models are. A small completion costs less than asking the database for its model, so answers are remembered for a moment. */
export interface ModelDirectory {
  /** As `findModel`; what another process changed, a name's newest model included, is seen within a second. */
  find(project: string, reference: string, param: string): FoundModel | Promise<FoundModel>;
  /** To be called when this process made or deleted a model, so that it sees that at once. */
  forget(): void;
}

export const createModelDirectory = (store: Pick<Store, 'models' | 'artifacts'>): ModelDirectory => {
  // Only what exists is remembered: a model that is made is there at once.
  const found = createRemembered<FoundModel>({ forMs: 1000, most: 1000 });
  return {
    // No project's name has a space. A refusal names the field, so that one of several is of no use to the others.
    find: (project, reference, param) =>
      found.get(`${project} ${param} ${reference}`, () => findModel(store, project, reference, param)),
    forget: found.forget,
  };
};
