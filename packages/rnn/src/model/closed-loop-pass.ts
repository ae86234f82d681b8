import type { Tensor } from '@unfold/kernels';
import { FedOutput } from './fed-output.ts';
import { FirstState } from './first-state.ts';
import { type Head, outputHead } from './head.ts';
import { Injection } from './injection.ts';
import { LayerStack } from './layer-stack.ts';
import type { GradientSet, Network } from './network.ts';
import { outputWidth } from './parameter-table.ts';
import { inputWithin, type PassInput, targetsWithin } from './pass-batch.ts';
import { createState, type RecurrentState, releaseState, stateTensors } from './recurrent-state.ts';
import type { GradientPass, TrainingCall } from './training-pass.ts';

/** Part of a call: steps first … first + steps − 1. */
interface Chunk extends PassInput {
  first: number;
  own: Tensor | null;
}

/**
 * Forward and backward pass of a network that is fed its own outputs, gradients and all: one step after the other, a loss reaching earlier
 * outputs through what was fed. What is fed at step t is f(o_{t−1}), see `FedOutput`, and zeros at the first one; with `own` in the call it is
 * `own`_t · f(o_{t−1}) + `feedback`_t. A network of numbers that reads its outputs has the same in the place of its inputs.
 */
export class ClosedLoopPass implements GradientPass {
  readonly loss: Tensor;
  readonly correct: Tensor;
  readonly lengthLoss: Tensor;
  readonly gradients: GradientSet;
  readonly #network: Network;
  readonly #firstState: FirstState;
  readonly #injection: Injection;
  readonly #head: Head;
  readonly #fedOutput: FedOutput;
  /** One a step. */
  readonly #stacks: LayerStack[];
  readonly #embedded: Tensor | null;
  readonly #dEmbedded: Tensor | null;
  readonly #lengths: Tensor;
  /** By step, [T,N,…]: the top layer's outputs; the network's, then their gradients. */
  readonly #hidden: Tensor;
  readonly #outputs: Tensor;
  /** f(o) of the step before, [T+1,N,F]: that of the next chunk is the last. */
  readonly #answers: Tensor;
  /** Numbers that are fed back, and read, where they may be more than answers, [T,N,F]; null: nothing is mixed there. */
  readonly #fed: Tensor | null;
  readonly #read: Tensor | null;
  /** Gradients on their way down and back, [1,N,…]. */
  readonly #dFed: Tensor;
  /** Null: inputs are no outputs. */
  readonly #dRead: Tensor | null;
  readonly #dHidden: Tensor;
  readonly #dState: RecurrentState;

  /** @param longest steps between two cuts */
  constructor(network: Network, gradients: GradientSet, longest: number, sequences: number) {
    const { backend, model, parameters, shape } = network;
    const real = (steps: number, width: number): Tensor => backend.createTensor([steps, sequences, width]);
    const top = outputWidth(model);
    const width = shape.output.size;
    this.#network = network;
    this.gradients = gradients;
    this.loss = backend.createTensor([1], 'double');
    this.correct = backend.createTensor([1], 'double');
    this.lengthLoss = backend.createTensor([1], 'double');
    this.#firstState = new FirstState(network, sequences);
    this.#injection = new Injection(network, longest, sequences);
    this.#head = outputHead(network, 1, sequences);
    this.#fedOutput = new FedOutput(network, sequences);
    this.#stacks = Array.from({ length: longest }, () => new LayerStack(network, gradients, 1, sequences));
    this.#embedded = parameters.encoder && real(longest, model.embedding_size!);
    this.#dEmbedded = gradients.encoder && real(longest, model.embedding_size!);
    this.#lengths = backend.createTensor([sequences], 'int');
    this.#hidden = real(longest, top);
    this.#outputs = real(longest, width);
    this.#answers = real(longest + 1, width);
    const mixes = shape.loss !== 'softmax';
    this.#fed = mixes && shape.feedback ? real(longest, width) : null;
    this.#read = mixes && shape.readsOutputs ? real(longest, width) : null;
    this.#dFed = real(1, width);
    this.#dRead = shape.readsOutputs ? real(1, width) : null;
    this.#dHidden = real(1, top);
    this.#dState = createState(network, sequences);
  }

  run(call: TrainingCall): void {
    const { backend } = this.#network;
    backend.zero(this.loss, this.correct, this.lengthLoss, ...this.gradients.trained);
    if (call.starts) {
      this.#firstState.set(call.state, call.context);
      backend.zero(this.#at(this.#answers, 0));
    }
    for (let first = 0; first < call.steps; first += call.cutEvery) {
      const steps = Math.min(call.cutEvery, call.steps - first);
      const own = call.own ? backend.view(call.own, first, steps) : null;
      const chunk = { ...inputWithin(backend, call, first, steps), first, own };
      this.#forward(chunk, call);
      const targets = targetsWithin(backend, call, first, steps);
      const sums = { loss: this.loss, correct: this.correct, losses: null };
      this.#head.loss(backend.view(this.#outputs, 0, steps), targets, sums, true);
      this.#backward(chunk, call);
      backend.copy({ source: this.#at(this.#answers, steps), target: this.#at(this.#answers, 0) });
    }
  }

  #at(tensor: Tensor, t: number): Tensor {
    return this.#network.backend.view(tensor, t, 1);
  }

  /** What takes the place of `known`, of all steps, at step t. @param room [T,N,F] */
  #mix({ own }: Chunk, known: Tensor, t: number, room: Tensor | null): Tensor {
    const { backend } = this.#network;
    const answers = this.#at(this.#answers, t);
    if (own === null) return answers;
    const fed = this.#at(room!, t);
    backend.scaleRows({ input: answers, factors: this.#at(own, t), output: fed });
    backend.add({ source: this.#at(known, t), target: fed });
    return fed;
  }

  #input(chunk: Chunk, t: number): Tensor {
    if (this.#embedded) return this.#at(this.#embedded, t);
    return this.#dRead ? this.#mix(chunk, chunk.inputs, t, this.#read) : this.#at(chunk.inputs, t);
  }

  #forward(chunk: Chunk, { state, random, lengths }: TrainingCall): void {
    const { backend, parameters } = this.#network;
    if (this.#embedded)
      backend.embeddingForward({
        table: parameters.encoder!,
        tokens: chunk.inputs,
        output: backend.view(this.#embedded, 0, chunk.steps),
      });
    for (let t = 0; t < chunk.steps; t++) {
      const part = inputWithin(backend, chunk, t, 1);
      if (lengths) backend.upload(this.#lengths, part.lengths!);
      const hidden = this.#stacks[t]!.forward({
        input: this.#input(chunk, t),
        injected: this.#injection.forward(
          { ...part, feedback: chunk.feedback && this.#mix(chunk, chunk.feedback, t, this.#fed) },
          1,
        ),
        lengths: lengths && this.#lengths,
        reversed: null,
        state,
        firstStep: chunk.first + t,
        random,
      });
      backend.copy({ source: hidden, target: this.#at(this.#hidden, t) });
      const outputs = this.#at(this.#outputs, t);
      this.#head.outputs(hidden, outputs);
      this.#fedOutput.forward(outputs, this.#at(this.#answers, t + 1));
    }
  }

  #backward(chunk: Chunk, call: TrainingCall): void {
    const { backend, parameters } = this.#network;
    const { steps, own } = chunk;
    const within = (tensor: Tensor): Tensor => backend.view(tensor, 0, steps);
    const [hidden, dOutputs, answers] = [this.#hidden, this.#outputs, this.#answers].map(within) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const fed = own && this.#fed ? within(this.#fed) : answers;
    const dInjected = this.#injection.gradient(steps);
    const none = { dWeight: null, dBias: null };
    backend.zero(...stateTensors(this.#dState));
    for (let t = steps - 1; t >= 0; t--) {
      const dOutput = this.#at(dOutputs, t);
      if (t < steps - 1) {
        const dFed = dInjected ? this.#dFed : this.#dRead!;
        if (dInjected) {
          this.#injection.feedbackGradient(this.#at(fed, t + 1), this.#at(dInjected, t + 1), dFed);
          if (this.#dRead) backend.add({ source: this.#dRead, target: dFed });
        }
        if (own) backend.scaleRows({ input: dFed, factors: this.#at(own, t + 1), output: dFed });
        this.#fedOutput.backward(this.#at(answers, t + 1), dFed, dOutput);
      }
      const { weight } = parameters.decoder;
      backend.denseBackward({ input: this.#at(hidden, t), weight, dOutput, dInput: this.#dHidden, ...none });
      this.#stacks[t]!.backward(
        {
          dOutput: this.#dHidden,
          scratch: this.#dHidden,
          arriving: this.#dState,
          leaving: this.#dState,
          dInput: this.#dEmbedded ? this.#at(this.#dEmbedded, t) : this.#dRead,
          dInjected: dInjected && this.#at(dInjected, t),
        },
        0,
      );
    }
    const { decoder, encoder } = this.gradients;
    // What no step waits for is one product for all of them.
    backend.denseBackward({
      input: hidden,
      weight: parameters.decoder.weight,
      dOutput: dOutputs,
      dInput: null,
      dWeight: decoder.weight,
      dBias: decoder.bias,
    });
    if (dInjected) this.#injection.backward(this.gradients, { ...chunk, feedback: fed }, dInjected);
    if (chunk.first === 0 && call.starts)
      this.#firstState.backward(this.gradients, null, this.#dState, call.context);
    if (encoder)
      backend.embeddingBackward({
        tokens: chunk.inputs,
        dOutput: backend.view(this.#dEmbedded!, 0, steps),
        dTable: encoder,
      });
  }

  release(): void {
    const { backend } = this.#network;
    for (const part of [this.#firstState, this.#injection, this.#head, this.#fedOutput, ...this.#stacks])
      part.release();
    releaseState(backend, this.#dState);
    const tensors = [
      this.loss,
      this.correct,
      this.lengthLoss,
      this.#embedded,
      this.#dEmbedded,
      this.#lengths,
      this.#hidden,
      this.#outputs,
      this.#answers,
      this.#fed,
      this.#read,
      this.#dFed,
      this.#dRead,
      this.#dHidden,
    ];
    backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
