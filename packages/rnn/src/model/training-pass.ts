import type { Tensor } from '@unfold/kernels';
import { FirstState } from './first-state.ts';
import { type Head, type HeadTargets, lengthHead, outputHead } from './head.ts';
import { Injection } from './injection.ts';
import { LayerStack, type PassRandom } from './layer-stack.ts';
import type { GradientSet, Network } from './network.ts';
import { outputWidth } from './parameter-table.ts';
import { inputWithin, type PassBatch, type PassInput, targetsWithin } from './pass-batch.ts';
import {
  createState,
  type RecurrentState,
  releaseState,
  stateTensors,
  topStates,
} from './recurrent-state.ts';
import { reversedRows } from './sequence-order.ts';

/** One optimizer step's data and how it is to be run. */
export interface TrainingCall extends PassBatch {
  /** Gradients are cut every so many steps, while the state flows on. */
  cutEvery: number;
  /** Runs through the pass: enters as the initial state, leaves as the final one. */
  state: RecurrentState;
  /** The sequences begin here: their first states are set, whatever `state` holds, and trained where they can be. */
  starts: boolean;
  random: PassRandom;
  /** real [T,N], 1 where a network is fed its own numbers and 0 where `feedback` is all; see `ClosedLoopPass`. */
  own?: Tensor | null;
}

/** What computes losses and gradients of optimizer steps, with all the room that it needs: nothing is allocated from step to step. */
export interface GradientPass {
  /** double [1]: mean loss in nats per token, or of numbers. */
  readonly loss: Tensor;
  /** double [1]: targets that got the highest probability. */
  readonly correct: Tensor;
  /** double [1]: mean loss of the head that ends sequences. */
  readonly lengthLoss: Tensor;
  readonly gradients: GradientSet;
  /** Zeroes the gradients, then computes loss and gradients of the whole window. */
  run(call: TrainingCall): void;
  release(): void;
}

/** Part of a call: steps first … first + steps − 1. */
interface Chunk extends PassInput {
  first: number;
}

/** Forward and backward pass over windows of up to `steps` × `sequences`, all time steps in one call a layer. */
export class TrainingPass implements GradientPass {
  readonly loss: Tensor;
  readonly correct: Tensor;
  readonly lengthLoss: Tensor;
  readonly gradients: GradientSet;
  readonly #network: Network;
  readonly #sequences: number;
  readonly #embedded: Tensor | null;
  readonly #injection: Injection;
  readonly #firstState: FirstState;
  readonly #stack: LayerStack;
  readonly #head: Head;
  readonly #lengthHead: Head | null;
  /** Gradient on its way down, [T,N,H·directions]. */
  readonly #dHidden: Tensor;
  readonly #dEmbedded: Tensor | null;
  readonly #lengths: Tensor;
  readonly #reversed: Tensor | null;
  /** The lowest layer that gradients must reach; all below is frozen. */
  readonly #lowest: number;
  /** First states as they were set, and gradients of states; null where first states are not trained. */
  readonly #first: RecurrentState | null;
  readonly #dState: RecurrentState | null;
  /** Of a single output: targets of the chunk [N], last states of the top layer [N,H·directions] and their gradients. */
  readonly #end: { targets: Tensor; last: Tensor; dLast: Tensor; arriving: RecurrentState } | null;

  /** @param longest steps between two cuts */
  constructor(network: Network, gradients: GradientSet, longest: number, sequences: number) {
    const { backend, model, parameters, shape } = network;
    const top = outputWidth(model);
    const embedded = (): Tensor | null =>
      parameters.encoder && backend.createTensor([longest, sequences, model.embedding_size!]);
    this.#network = network;
    this.gradients = gradients;
    this.#sequences = sequences;
    this.loss = backend.createTensor([1], 'double');
    this.correct = backend.createTensor([1], 'double');
    this.lengthLoss = backend.createTensor([1], 'double');
    this.#embedded = embedded();
    this.#dEmbedded = gradients.encoder === null ? null : embedded();
    this.#injection = new Injection(network, longest, sequences);
    this.#firstState = new FirstState(network, sequences);
    this.#stack = new LayerStack(network, gradients, longest, sequences);
    const ends = shape.outputAt === 'end';
    this.#head = outputHead(network, longest, sequences);
    this.#lengthHead = lengthHead(network, longest, sequences);
    this.#dHidden = backend.createTensor([longest, sequences, top]);
    this.#lengths = backend.createTensor([sequences], 'int');
    this.#reversed = model.bidirectional ? backend.createTensor([longest, sequences], 'int') : null;
    const trainsFirst = gradients.all.some(
      (gradient, k) => gradient && /^(initial_state|context)\.[hc]_/.test(network.table[k]!.name),
    );
    this.#first = parameters.contextState ? createState(network, sequences) : null;
    this.#dState = trainsFirst ? createState(network, sequences) : null;
    const directions = network.layers.length / model.num_layers;
    const trains = Array.from({ length: model.num_layers }, (_, k) =>
      gradients.recurrent
        .slice(k * directions, (k + 1) * directions)
        .some((layer) => Object.values(layer).some(Boolean)),
    );
    const reachesBottom = this.#dEmbedded !== null || trainsFirst || Injection.trains(gradients);
    this.#lowest = reachesBottom ? 0 : trains.includes(true) ? trains.indexOf(true) : model.num_layers;
    this.#end = ends
      ? {
          targets: backend.createTensor([sequences], 'int'),
          last: backend.createTensor([sequences, top]),
          dLast: backend.createTensor([sequences, top]),
          arriving: createState(network, sequences),
        }
      : null;
  }

  run(call: TrainingCall): void {
    const { backend } = this.#network;
    backend.zero(this.loss, this.correct, this.lengthLoss, ...this.gradients.trained);
    if (call.starts) this.#firstState.set(call.state, call.context);
    for (let first = 0; first < call.steps; first += call.cutEvery) {
      const steps = Math.min(call.cutEvery, call.steps - first);
      const chunk = this.#chunk(call, first, steps);
      if (first === 0 && call.starts && this.#first) this.#remember(call.state);
      const hidden = this.#forward(chunk, call);
      const dTop = this.#outputLayers(hidden, chunk, call);
      this.#backward(dTop, chunk, call);
    }
  }

  #remember(state: RecurrentState): void {
    const { backend } = this.#network;
    const target = stateTensors(this.#first!);
    stateTensors(state).forEach((source, k) => {
      backend.copy({ source, target: target[k]! });
    });
  }

  #chunk(call: TrainingCall, first: number, steps: number): Chunk {
    const { backend } = this.#network;
    const part = inputWithin(backend, call, first, steps);
    if (part.lengths) backend.upload(this.#lengths, part.lengths);
    if (this.#reversed)
      backend.upload(
        backend.view(this.#reversed, 0, steps),
        reversedRows(part.lengths, steps, this.#sequences),
      );
    return { ...part, first };
  }

  #forward(chunk: Chunk, { state, random }: TrainingCall): Tensor {
    const { backend, parameters } = this.#network;
    const { steps, first, lengths } = chunk;
    let input = chunk.inputs;
    if (this.#embedded !== null) {
      input = backend.view(this.#embedded, 0, steps);
      backend.embeddingForward({ table: parameters.encoder!, tokens: chunk.inputs, output: input });
    }
    return this.#stack.forward({
      input,
      injected: this.#injection.forward(chunk, steps),
      lengths: lengths && this.#lengths,
      reversed: this.#reversed && backend.view(this.#reversed, 0, steps),
      state,
      firstStep: first,
      random,
    });
  }

  /** Heads and losses, forward and backward; leaves the gradient of the top layer's output. Null: it comes by the last states. */
  #outputLayers(hidden: Tensor, { first, steps }: Chunk, call: TrainingCall): Tensor | null {
    const { backend } = this.#network;
    const { decoder, length } = this.gradients;
    const reaches = this.#lowest < this.#network.model.num_layers;
    if (this.#end) {
      this.#outputAtEnd(first, steps, call, reaches);
      return null;
    }
    const part = (targets: HeadTargets) => targetsWithin(backend, targets, first, steps);
    const dHidden = reaches ? backend.view(this.#dHidden, 0, steps) : null;
    const sums = { loss: this.loss, correct: this.correct, losses: null };
    this.#head.run(hidden, part(call), sums, { ...decoder, dHidden, adds: false });
    if (this.#lengthHead)
      this.#lengthHead.run(
        hidden,
        part(call.ending!),
        { loss: this.lengthLoss, correct: null, losses: null },
        { ...length!, dHidden, adds: true },
      );
    return dHidden;
  }

  /** One output from the last states of the top layer, for the sequences that end in this chunk. */
  #outputAtEnd(first: number, steps: number, call: TrainingCall, reaches: boolean): void {
    const { backend } = this.#network;
    const { targets, last, dLast, arriving } = this.#end!;
    const endsHere = (n: number): boolean => {
      const length = call.lengths ? call.lengths[n]! : call.steps;
      return length > first && length <= first + steps;
    };
    backend.upload(
      targets,
      call.labels!.map((label, n) => (endsHere(n) ? label : -1)),
    );
    backend.concatenate({ inputs: topStates(this.#network, call.state), output: last });
    this.#head.run(
      last,
      { targets, mask: null, count: call.count },
      { loss: this.loss, correct: this.correct, losses: null },
      { ...this.gradients.decoder, dHidden: reaches ? dLast : null, adds: false },
    );
    if (reaches) backend.split({ input: dLast, outputs: topStates(this.#network, arriving) });
  }

  #backward(dTop: Tensor | null, chunk: Chunk, call: TrainingCall): void {
    const { backend } = this.#network;
    const { steps, first } = chunk;
    if (this.#lowest >= this.#network.model.num_layers) return;
    const begins = first === 0 && call.starts && this.#dState !== null;
    const dEmbedded = this.#dEmbedded && backend.view(this.#dEmbedded, 0, steps);
    const injects = Injection.trains(this.gradients);
    const dInjected = injects ? this.#injection.gradient(steps) : null;
    this.#stack.backward(
      {
        dOutput: dTop,
        scratch: backend.view(this.#dHidden, 0, steps),
        arriving: this.#end?.arriving ?? null,
        leaving: begins ? this.#dState : null,
        dInput: dEmbedded,
        dInjected,
      },
      this.#lowest,
    );
    if (dInjected) this.#injection.backward(this.gradients, chunk, dInjected);
    if (begins) this.#firstState.backward(this.gradients, this.#first, this.#dState!, call.context);
    if (dEmbedded !== null)
      backend.embeddingBackward({
        tokens: chunk.inputs,
        dOutput: dEmbedded,
        dTable: this.gradients.encoder!,
      });
  }

  release(): void {
    const { backend } = this.#network;
    this.#injection.release();
    this.#firstState.release();
    this.#stack.release();
    this.#head.release();
    this.#lengthHead?.release();
    for (const state of [this.#first, this.#dState, this.#end?.arriving])
      if (state) releaseState(backend, state);
    const tensors = [
      this.loss,
      this.correct,
      this.lengthLoss,
      this.#embedded,
      this.#dEmbedded,
      this.#dHidden,
      this.#lengths,
      this.#reversed,
      this.#end?.targets,
      this.#end?.last,
      this.#end?.dLast,
    ];
    backend.release(...tensors.filter((tensor) => tensor != null));
  }
}
