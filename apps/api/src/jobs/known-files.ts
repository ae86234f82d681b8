import { UnfoldError } from '@unfold/contracts';
import type { LocatedFile, Store } from '@unfold/store';
import { unknown } from '../http/parameters.ts';

/** What uploads recorded, remembered for a moment: many jobs are posted of one file, whose row never changes. */
export interface KnownFiles {
  /**
   * A file that another process deletes may still be found for a second: whoever stores what reads it checks that in the same transaction.
   * @throws UnfoldError `not_found` with this param
   */
  find(project: string, id: string, param: string): Promise<LocatedFile>;
  /** To be called when this process deleted a file, so that it sees that at once. */
  forget(): void;
}

const rememberMs = 1000;
const mostRemembered = 1000;

export const createKnownFiles = ({ files }: Pick<Store, 'files'>): KnownFiles => {
  /** By id, oldest first. Kept from when they were asked, so that none is older than it seems. */
  const known = new Map<string, { file: Promise<LocatedFile>; until: number }>();

  const ask = (id: string): Promise<LocatedFile> => {
    const entry = { file: files.locate(id), until: performance.now() + rememberMs };
    known.delete(id);
    known.set(id, entry);
    for (const oldest of known.keys()) {
      if (known.size <= mostRemembered) break;
      known.delete(oldest);
    }
    entry.file.catch(() => {
      if (known.get(id) === entry) known.delete(id);
    });
    return entry.file;
  };

  return {
    async find(project, id, param) {
      const entry = known.get(id);
      try {
        const file = await (entry && performance.now() < entry.until ? entry.file : ask(id));
        if (file.project === project) return file;
      } catch (error) {
        if (!(error instanceof UnfoldError && error.code === 'not_found')) throw error;
      }
      throw unknown('file', id, param);
    },
    forget: () => known.clear(),
  };
};
