import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts';
import { type Backend, exportWeights, type LanguageModel, loadModel, type Predictor } from '@unfold/rnn';
import type { ModelSource } from './protocol.ts';

export type ServedModel = LanguageModel | Predictor;

interface Entry {
  loading: Promise<ServedModel>;
  bytes: number;
  users: number;
  usedAt: number;
}

export interface LoadedModels {
  /** Runs `use` with the model, which stays in memory at least as long, even if its file is deleted. */
  with<T>(source: ModelSource, use: (model: ServedModel) => Promise<T>): Promise<T>;
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

/** Models of one thread, by the hash of their file; the least recently used go when memory runs out. */
export const createLoadedModels = (
  backend: Backend,
  limitBytes: number,
  changed: (held: { models: number; bytes: number }) => void,
): LoadedModels => {
  const entries = new Map<string, Entry>();
  let clock = 0;

  const total = (): number => [...entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const tell = (): void => changed({ models: entries.size, bytes: total() });

  const makeRoom = (bytes: number): void => {
    if (bytes > limitBytes)
      throw new UnfoldError(
        'limit_exceeded',
        `The model needs ${bytes} bytes of memory, but the limit is ${limitBytes}.`,
        {
          param: 'model',
        },
      );
    const idle = [...entries]
      .filter(([, { users }]) => users === 0)
      .sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key, { loading }] of idle) {
      if (total() + bytes <= limitBytes) return;
      entries.delete(key);
      void loading.then((model) => model.close());
    }
    if (total() + bytes > limitBytes)
      throw new UnfoldError('overloaded', 'All memory for models is in use. Try again in a moment.');
  };

  const load = async (source: ModelSource): Promise<ServedModel> => {
    const file = await readVerified(source);
    return loadModel(source.kind === 'checkpoint' ? exportWeights(file) : file, backend);
  };

  const open = (source: ModelSource): Entry => {
    const existing = entries.get(source.sha256);
    if (existing) return existing;
    makeRoom(source.bytes);
    const loading = load(source);
    const entry: Entry = { loading, bytes: source.bytes, users: 0, usedAt: 0 };
    entries.set(source.sha256, entry);
    loading.then(
      (model) => {
        entry.bytes = model.parameters * Float32Array.BYTES_PER_ELEMENT;
        tell();
      },
      () => {
        entries.delete(source.sha256);
        tell();
      },
    );
    return entry;
  };

  return {
    async with(source, use) {
      const entry = open(source);
      entry.users += 1;
      try {
        return await use(await entry.loading);
      } finally {
        entry.users -= 1;
        entry.usedAt = ++clock;
      }
    },
  };
};
