import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts';
import { type Backend, exportWeights, type LanguageModel, loadModel, type Predictor } from '@unfold/rnn';
import type { ModelSource } from './protocol.ts';

export type ServedModel = LanguageModel | Predictor;

interface Entry {
  sha256: string;
  /** Whose file is read: other models may have the same weights. */
  path: string;
  loading: Promise<ServedModel>;
  users: number;
  /** What was told of its memory last; null: nothing yet. */
  told: number | null;
  /** Nobody else gets it. */
  leaving: boolean;
}

export interface LoadedModels {
  /** Runs `use` with the model, which stays in memory at least as long, even if its file is deleted or it is told to go. */
  with<T>(source: ModelSource, use: (model: ServedModel) => Promise<T>): Promise<T>;
  /** Lets a model go as soon as nobody uses it. Whoever asks for it from now on has it loaded again. */
  unload(sha256: string): void;
}

/** Reads a whole file and checks that it is what was written. */
export const readVerified = async (file: { path: string; sha256: string }): Promise<Uint8Array> => {
  const bytes = await readFile(file.path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT')
      throw new UnfoldError('not_found', 'The file was deleted.', { param: 'model', cause });
    throw cause;
  });
  if (createHash('sha256').update(bytes).digest('hex') !== file.sha256)
    throw new UnfoldError(
      'artifact_corrupt',
      'The stored file is damaged: its hash is not the recorded one.',
    );
  return bytes;
};

/**
 * The models of one thread, by the hash of their file. Which of them go is not decided here, since all threads share the memory.
 * @param held told what a model takes in memory, which what it is asked for takes too, whenever that has changed; 0: it is gone
 * @param stepped told after each step of a model how many streams advanced together
 */
export const createLoadedModels = (
  backend: Backend,
  held: (sha256: string, bytes: number) => void,
  stepped: (rows: number) => void = () => {},
): LoadedModels => {
  const entries = new Map<string, Entry>();

  const tell = (entry: Entry, bytes: number): void => {
    if (bytes !== entry.told) held(entry.sha256, bytes);
    entry.told = bytes;
  };

  /** One that failed to load is gone, too. */
  const close = async (entry: Entry): Promise<void> => {
    const model = await entry.loading.catch(() => null);
    await model?.close();
    tell(entry, 0);
  };

  const leave = (entry: Entry): void => {
    if (entry.leaving) return;
    entry.leaving = true;
    entries.delete(entry.sha256);
    if (entry.users === 0) void close(entry);
  };

  const load = async (source: ModelSource, entry: Entry): Promise<ServedModel> => {
    const file = await readVerified(source);
    const weights = source.kind === 'checkpoint' ? exportWeights(file) : file;
    const model: ServedModel = await loadModel(weights, backend, {}, (rows) => {
      tell(entry, model.bytes);
      stepped(rows);
    });
    tell(entry, model.bytes);
    return model;
  };

  const open = (source: ModelSource): Entry => {
    const existing = entries.get(source.sha256);
    if (existing) return existing;
    const { sha256, path } = source;
    const entry = { sha256, path, told: null, users: 0, leaving: false } as Omit<Entry, 'loading'> as Entry;
    entries.set(sha256, entry);
    entry.loading = load(source, entry);
    entry.loading.catch(() => leave(entry));
    return entry;
  };

  /** null: another model's file could not be read, which says nothing of this one's. */
  const loaded = (entry: Entry, { path }: ModelSource): Promise<ServedModel | null> =>
    entry.path === path ? entry.loading : entry.loading.catch(() => null);

  return {
    async with(source, use) {
      for (;;) {
        const entry = open(source);
        entry.users += 1;
        try {
          const model = await loaded(entry, source);
          if (model === null) continue;
          const result = await use(model);
          tell(entry, model.bytes);
          return result;
        } finally {
          entry.users -= 1;
          if (entry.leaving && entry.users === 0) void close(entry);
        }
      }
    },
    unload(sha256) {
      const entry = entries.get(sha256);
      if (entry !== undefined) leave(entry);
    },
  };
};
