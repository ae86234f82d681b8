import type { Tensor } from '@unfold/kernels';
import { linearForward } from './linear.ts';
import type { Network } from './network.ts';
import { countdownInputs, outputWidth } from './parameter-table.ts';
import { partsOf, readStates, type StateValues, stateTensors } from './recurrent-state.ts';
import {
  bytesOf,
  createHostRooms,
  createRooms,
  type HostRooms,
  heardIn,
  hostRoomsOf,
  mapRooms,
  type Rooms,
  type RowOutputs,
  tensorsOf,
} from './row-rooms.ts';

/** What a row reads in a step. */
export interface RowInput {
  token: number;
  /** t of the token within its sequence. */
  position: number;
  /** In a network that counts down: how many tokens were left before it, as a share of the longest; null: not known. */
  remaining: number | null;
}

/** Far below every logit, and finite: what `Head` gives a token that is never an output. */
const never = -1e30;
const smallestCapacity = 8;

type Step = Rooms & { host: HostRooms; heard: RowOutputs };

/**
 * Streams that a network reads token by token side by side, one a row, each at a place of its own in its text. Rows are dense: one that
 * leaves is replaced by the last. A row has the bits that it has alone.
 */
export class RowStep {
  readonly #network: Network;
  #rooms: Rooms;
  #capacity = smallestCapacity;
  #rows = 0;
  #host: HostRooms;
  #heard: RowOutputs;
  /** By number of rows: views are made once, all of the same memory. */
  readonly #steps = new Map<number, Step>();
  /** By row, views of what it keeps: made once as well, since many rows come and go. */
  readonly #places: Tensor[][] = [];
  /** The state that was written last: often the next one's too, since every text without a context begins alike. */
  #written: { state: StateValues; parts: StateValues[] } | null = null;

  constructor(network: Network) {
    this.#network = network;
    this.#rooms = createRooms(network, this.#capacity);
    this.#host = createHostRooms(network, this.#rooms);
    this.#heard = heardIn(this.#host, this.#capacity);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Memory beside the backend's. */
  get hostBytes(): number {
    return bytesOf(this.#host);
  }

  /** What a row keeps from step to step: its state, and then what comes of its context. */
  #kept({ state, context }: Rooms): Tensor[] {
    return context ? [...stateTensors(state), context] : stateTensors(state);
  }

  #placeOf(row: number): Tensor[] {
    const known = this.#places[row];
    if (known) return known;
    const { backend } = this.#network;
    const place = this.#kept(this.#rooms).map((tensor) => backend.view(tensor, row, 1));
    this.#places[row] = place;
    return place;
  }

  #grow(): void {
    const { backend } = this.#network;
    const before = this.#rooms;
    const rows = this.#capacity;
    const rooms = createRooms(this.#network, 2 * rows);
    const sources = this.#kept(before);
    this.#kept(rooms).forEach((target, k) => {
      backend.copy({ source: sources[k]!, target: backend.view(target, 0, rows) });
    });
    this.#host = createHostRooms(this.#network, rooms);
    this.#rooms = rooms;
    this.#capacity = 2 * rows;
    this.#heard = heardIn(this.#host, this.#capacity);
    this.#steps.clear();
    this.#places.length = 0;
    backend.release(...tensorsOf(before));
  }

  /**
   * Adds a row behind the others.
   * @param context int [1] or real [1,C] where the network has one
   */
  add(state: StateValues, context: Tensor | null): void {
    const { backend, parameters } = this.#network;
    if (this.#rows === this.#capacity) this.#grow();
    const place = this.#placeOf(this.#rows);
    this.#partsOf(state).forEach((part, k) => {
      backend.upload(place[k]!, part);
    });
    if (parameters.context)
      linearForward(backend, {
        weight: parameters.context,
        bias: null,
        input: context!,
        output: place.at(-1)!,
      });
    this.#rows++;
  }

  #partsOf(state: StateValues): StateValues[] {
    if (this.#written?.state !== state)
      this.#written = { state, parts: partsOf(stateTensors(this.#rooms.state), state) };
    return this.#written.parts;
  }

  /** Takes a row out: the last one takes its place. */
  remove(row: number): void {
    const last = --this.#rows;
    if (row === last) return;
    const sources = this.#placeOf(last);
    this.#placeOf(row).forEach((target, k) => {
      this.#network.backend.copy({ source: sources[k]!, target });
    });
  }

  /** Takes all rows out. */
  clear(): void {
    this.#rows = 0;
  }

  async read(row: number): Promise<StateValues> {
    const [state] = await readStates(this.#network, this.#rooms.state, row, 1);
    return state!;
  }

  /** Row n goes on from what row `parents[n]` was; as many rows as parents are left. */
  follow(parents: Int32Array): void {
    const { backend } = this.#network;
    const indices = backend.createTensor([parents.length], 'int');
    backend.upload(indices, parents);
    while (this.#capacity < parents.length) this.#grow();
    for (const tensor of this.#kept(this.#rooms)) {
      const output = backend.createTensor([parents.length, tensor.shape[1]!]);
      backend.gatherRows({ source: tensor, indices, output });
      backend.copy({ source: output, target: backend.view(tensor, 0, parents.length) });
      backend.release(output);
    }
    backend.release(indices);
    this.#rows = parents.length;
  }

  #step(first: number): Step {
    const rows = this.#rows - first;
    // Those of the last rows alone are seldom the same.
    const known = first === 0 ? this.#steps.get(rows) : undefined;
    if (known) return known;
    const { backend } = this.#network;
    const rooms = mapRooms(this.#rooms, (tensor) => backend.view(tensor, first, rows));
    const host = hostRoomsOf(this.#host, { capacity: this.#capacity, first, rows });
    const { logits, endings } = this.#heard;
    const heard = { logits: logits.slice(first, this.#rows), endings: endings.slice(first, this.#rows) };
    const step = { ...rooms, host, heard };
    if (first === 0) this.#steps.set(rows, step);
    return step;
  }

  /** Every row from `first` on reads what `inputOf` says. @returns what is heard of these, by their order */
  async run(inputOf: (row: number) => RowInput, first = 0): Promise<RowOutputs> {
    const { backend, layers, parameters, statistics } = this.#network;
    const step = this.#step(first);
    this.#upload(step, (row) => inputOf(first + row));
    let input = step.tokens;
    if (step.embedded) {
      backend.embeddingForward({ table: parameters.encoder!, tokens: input, output: step.embedded });
      input = step.embedded;
    }
    layers.forEach((layer, k) => {
      const h = step.state.h[k] ?? step.outputs[k]!;
      backend.recurrentStep({
        layer,
        parameters: parameters.recurrent[k]!,
        input,
        injected: k === 0 ? this.#inject(step) : null,
        statistics: statistics[k]!,
        positions: statistics[k] ? step.positions : null,
        h,
        c: step.state.c[k]!,
      });
      input = h;
    });
    return this.#hear(step, input);
  }

  /** What the heads say before anything was read, a hidden layer of zeros, in a single row. */
  async silence(): Promise<RowOutputs> {
    const { backend, model, parameters } = this.#network;
    const hidden = backend.createTensor([1, outputWidth(model)]);
    const heads = [parameters.decoder, ...(parameters.length ? [parameters.length] : [])];
    const [logits, endings] = await Promise.all(
      heads.map(async (head) => {
        const output = backend.createTensor([1, head.weight.shape[0]!]);
        backend.denseForward({ input: hidden, ...head, output });
        const values = (await backend.download(output)) as StateValues;
        backend.release(output);
        return values;
      }),
    );
    backend.release(hidden);
    this.#exclude(logits!);
    return { logits: [logits!], endings: endings ? [endings] : [] };
  }

  #upload({ host, ...step }: Step, inputOf: (row: number) => RowInput): void {
    const { backend } = this.#network;
    for (let row = 0; row < host.tokens.length; row++) {
      const { token, position, remaining } = inputOf(row);
      host.tokens[row] = token;
      if (host.positions) host.positions[row] = position;
      if (!host.countdown) continue;
      host.countdown[row * countdownInputs] = remaining ?? 0;
      host.countdown[row * countdownInputs + 1] = remaining === null ? 0 : 1;
    }
    backend.upload(step.tokens, host.tokens);
    if (host.positions) backend.upload(step.positions!, host.positions);
    if (host.countdown) backend.upload(step.countdown!, host.countdown);
  }

  /** The countdown's part first, then the context's, as `Injection` adds them. */
  #inject({ countdown, context, injected }: Step): Tensor | null {
    const { backend, parameters } = this.#network;
    if (!countdown) return context;
    backend.denseForward({ input: countdown, weight: parameters.countdown!, bias: null, output: injected! });
    if (context) backend.add({ source: context, target: injected! });
    return injected;
  }

  async #hear({ logits, endings, host, heard }: Step, hidden: Tensor): Promise<RowOutputs> {
    const { backend, parameters } = this.#network;
    backend.denseForward({ input: hidden, ...parameters.decoder, output: logits });
    await backend.download(logits, host.logits);
    if (endings) {
      backend.denseForward({ input: hidden, ...parameters.length!, output: endings });
      await backend.download(endings, host.endings!);
    }
    for (const row of heard.logits) this.#exclude(row);
    return heard;
  }

  #exclude(logits: StateValues): void {
    const { excluded } = this.#network.shape;
    if (excluded !== null) logits[excluded]! += never;
  }

  release(): void {
    this.#network.backend.release(...tensorsOf(this.#rooms));
  }
}
