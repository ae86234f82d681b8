/** Takes one of each owner in turn, so that a call of many streams keeps no other out. */
export class FairQueue<Owner, T> {
  readonly #byOwner = new Map<Owner, T[]>();
  size = 0;

  push(owner: Owner, item: T): void {
    const items = this.#byOwner.get(owner);
    if (items) items.push(item);
    else this.#byOwner.set(owner, [item]);
    this.size++;
  }

  /** Puts one before its owner's others. */
  putBack(owner: Owner, item: T): void {
    const items = this.#byOwner.get(owner);
    if (items) items.unshift(item);
    else this.#byOwner.set(owner, [item]);
    this.size++;
  }

  /** The next one of an owner that is `wanted`, which then comes last; undefined: there is none. */
  take(wanted: (owner: Owner, next: T) => boolean): T | undefined {
    for (const [owner, items] of this.#byOwner) {
      if (!wanted(owner, items[0]!)) continue;
      const item = items.shift()!;
      this.#byOwner.delete(owner);
      if (items.length > 0) this.#byOwner.set(owner, items);
      this.size--;
      return item;
    }
    return undefined;
  }

  dropOwners(unwanted: (owner: Owner) => boolean): void {
    for (const [owner, items] of this.#byOwner) {
      if (!unwanted(owner)) continue;
      this.#byOwner.delete(owner);
      this.size -= items.length;
    }
  }

  owners(): Owner[] {
    return [...this.#byOwner.keys()];
  }
}
