import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CarriedPoint, readCheckpoint } from './checkpoint.ts';

/**
 * The bytes of the checkpoint that a diverging run goes back to. They rest in the scratch folder, since for a large model they would
 * double the memory; only a full disk keeps them in memory.
 */
export class RollbackPoint {
  readonly #path: string;
  #held: Uint8Array | null = null;
  #known: Pick<CarriedPoint, 'header' | 'state'> | null = null;

  /** @param scratch an existing folder that no other run uses */
  constructor(scratch: string) {
    this.#path = join(scratch, 'rollback.safetensors');
  }

  /** Takes a copy of `checkpoint` in place of the earlier one. */
  async save(checkpoint: Uint8Array): Promise<void> {
    const { header, record } = readCheckpoint(checkpoint);
    this.#known = { header, state: record.state };
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

  /** For another checkpoint to carry along, tensor by tensor. Only after `save`, and until the next one. */
  carried(): CarriedPoint {
    return { ...this.#known!, read: (name, place) => this.#read(name, place) };
  }

  async #read(name: string, place: Float32Array | Float64Array): Promise<void> {
    const { dataStart, tensors } = this.#known!.header;
    const { begin, end } = tensors.get(name)!;
    const bytes = new Uint8Array(place.buffer, place.byteOffset, place.byteLength);
    if (this.#held) {
      bytes.set(this.#held.subarray(dataStart + begin, dataStart + end));
      return;
    }
    const file = await open(this.#path);
    try {
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await file.read(
          bytes,
          filled,
          bytes.length - filled,
          dataStart + begin + filled,
        );
        if (bytesRead === 0) throw new Error(`The rollback point ${this.#path} is shorter than it was.`);
        filled += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
}
