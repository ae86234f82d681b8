import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The bytes of the checkpoint that a diverging run goes back to. They rest in the scratch folder, since for a large model they would
 * double the memory; only a full disk keeps them in memory.
 */
export class RollbackPoint {
  readonly #path: string;
  #held: Uint8Array | null = null;

  /** @param scratch an existing folder that no other run uses */
  constructor(scratch: string) {
    this.#path = join(scratch, 'rollback.safetensors');
  }

  /** Takes a copy of `checkpoint` in place of the earlier one. */
  async save(checkpoint: Uint8Array): Promise<void> {
    try {
      await writeFile(`${this.#path}.tmp`, checkpoint);
      await rename(`${this.#path}.tmp`, this.#path);
      this.#held = null;
    } catch {
      this.#held = checkpoint.slice();
    }
  }

  async load(): Promise<Uint8Array> {
    return this.#held ?? readFile(this.#path);
  }
}
