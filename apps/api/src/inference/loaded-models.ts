import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts';
import { type Backend, exportWeights, type LanguageModel, loadModel, type Predictor } from '@unfold/rnn';
import type { ModelSource } from './protocol.ts';

export type ServedModel = LanguageModel | Predictor;

interface Entry {
  loading: Promise<ServedModel>;
  /** null until it is loaded. */
  model: ServedModel | null;
  /** Of its file. */
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

/**
 * Models of one thread, by the hash of their file; the least recently used go when memory runs out, which what is asked of a model takes too.
 * @param changed told the hashes of what is held, and its memory, whenever that is something else
 * @param stepped told after each step of a model how many streams advanced together
 */
export const createLoadedModels = (
  backend: Backend,
  limitBytes: number,
  changed: (held: { models: string[]; bytes: number }) => void,
  stepped: (rows: number) => void = () => {},
): LoadedModels => {
  const entries = new Map<string, Entry>();
  let clock = 0;

  const total = (): number =>
    [...entries.values()].reduce((sum, { model, bytes }) => sum + (model?.bytes ?? bytes), 0);

  let told = '';
  const tell = (): void => {
    const held = { models: [...entries.keys()], bytes: total() };
    const text = JSON.stringify(held);
    if (text !== told) changed(held);
    told = text;
  };

  /** Lets models go that nobody uses until so many bytes more have room, or only `keep` is left of them. */
  const evict = (bytes: number, keep: string | null = null): void => {
    const idle = [...entries]
      .filter(([key, { users }]) => users === 0 && key !== keep)
      .sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key, { loading }] of idle) {
      if (total() + bytes <= limitBytes) return;
      entries.delete(key);
      void loading.then((model) => model.close());
    }
  };

  const makeRoom = (bytes: number): void => {
    if (bytes > limitBytes)
      throw new UnfoldError(
        'limit_exceeded',
        `The model needs ${bytes} bytes of memory, but the limit is ${limitBytes}.`,
        {
          param: 'model',
        },
      );
    evict(bytes);
    tell();
    if (total() + bytes > limitBytes)
      throw new UnfoldError('overloaded', 'All memory for models is in use. Try again in a moment.');
  };

  const load = async (source: ModelSource): Promise<ServedModel> => {
    const file = await readVerified(source);
    return loadModel(source.kind === 'checkpoint' ? exportWeights(file) : file, backend, {}, stepped);
  };

  const open = (source: ModelSource): Entry => {
    const existing = entries.get(source.sha256);
    if (existing) return existing;
    makeRoom(source.bytes);
    const loading = load(source);
    const entry: Entry = { loading, model: null, bytes: source.bytes, users: 0, usedAt: 0 };
    entries.set(source.sha256, entry);
    loading.then(
      (model) => {
        entry.model = model;
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
        // What it was asked for may have taken room that stays.
        evict(0, source.sha256);
        tell();
      }
    },
  };
};
