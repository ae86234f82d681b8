import type { Tensor } from '@unfold/kernels';
import { type ClosedLoopChunk, ClosedLoopInput, mixAnswers } from './closed-loop-input.ts';
import { FedOutput } from './fed-output.ts';
import { FirstState } from './first-state.ts';
import { type Head, lengthHead, outputHead } from './head.ts';
import { Injection } from './injection.ts';
import { LayerStack } from './layer-stack.ts';
import type { GradientSet, Network } from './network.ts';
import { outputWidth } from './parameter-table.ts';
import { inputWithin, targetsWithin } from './pass-batch.ts';
import { createState, type RecurrentState, releaseState, stateTensors } from './recurrent-state.ts';
import type { GradientPass, TrainingCall } from './training-pass.ts';

/**
 * Forward and backward pass of a network that is fed its own outputs, gradients and all: one step after the other, a loss reaching earlier
 * outputs through what was fed. What is fed at step t is f(o_{t−1}), see `FedOutput`, and zeros at the first one; with `own` in the call it is
 * `own`_t · f(o_{t−1}) + `feedback`_t. A network that reads its outputs has the same in the place of its inputs, see `ClosedLoopInput`.
 */
export class ClosedLoopPass implements GradientPass {
  readonly loss: Tensor;
  readonly correct: Tensor;
  readonly lengthLoss: Tensor;
  readonly gradients: GradientSet;
  readonly #network: Network;
  readonly #firstState: FirstState;
  readonly #input: ClosedLoopInput;
  readonly #injection: Injection;
  readonly #head: Head;
  readonly #lengthHead: Head | null;
  readonly #fedOutput: FedOutput;
  /** One a step. */
  readonly #stacks: LayerStack[];
  readonly #lengths: Tensor;
  /** By step, [T,N,…]: the top layer's outputs; the network's, then their gradients. */
  readonly #hidden: Tensor;
  readonly #outputs: Tensor;
  /** f(o) of the step before, [T+1,N,F]: that of the next chunk is the last. */
  readonly #answers: Tensor;
  /** Numbers that are fed back where they may be more than answers, [T,N,F]; null: nothing is mixed there. */
  readonly #fed: Tensor | null;
  /** Gradients on their way down and back, [1,N,…]. */
  readonly #dFed: Tensor;
  readonly #dHidden: Tensor;
  /** Of the head that ends sequences, by step, [T,N,H]; null: there is none. */
  readonly #dEnds: Tensor | null;
  readonly #dState: RecurrentState;
  /** First states as they were set, where the context gives them. */
  readonly #first: RecurrentState | null;

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
    this.#input = new ClosedLoopInput(network, gradients, longest, sequences);
    this.#injection = new Injection(network, longest, sequences);
    this.#head = outputHead(network, 1, sequences);
    this.#lengthHead = lengthHead(network, longest, sequences);
    this.#fedOutput = new FedOutput(network, sequences);
    this.#stacks = Array.from({ length: longest }, () => new LayerStack(network, gradients, 1, sequences));
    this.#lengths = backend.createTensor([sequences], 'int');
    this.#hidden = real(longest, top);
    this.#outputs = real(longest, width);
    this.#answers = real(longest + 1, width);
    this.#fed = shape.loss !== 'softmax' && shape.feedback ? real(longest, width) : null;
    this.#dFed = real(1, width);
    this.#dHidden = real(1, top);
    this.#dEnds = this.#lengthHead && real(longest, top);
    this.#dState = createState(network, sequences);
    this.#first = parameters.contextState ? createState(network, sequences) : null;
  }

  run(call: TrainingCall): void {
    const { backend } = this.#network;
    backend.zero(this.loss, this.correct, this.lengthLoss, ...this.gradients.trained);
    if (call.starts) {
      this.#firstState.set(call.state, call.context);
      if (this.#first) this.#remember(call.state, this.#first);
      backend.zero(this.#at(this.#answers, 0));
    }
    for (let first = 0; first < call.steps; first += call.cutEvery) {
      const steps = Math.min(call.cutEvery, call.steps - first);
      const own = call.own ? backend.view(call.own, first, steps) : null;
      const chunk = { ...inputWithin(backend, call, first, steps), first, own };
      this.#forward(chunk, call);
      this.#losses(chunk, call);
      this.#backward(chunk, call);
      backend.copy({ source: this.#at(this.#answers, steps), target: this.#at(this.#answers, 0) });
    }
  }

  #remember(state: RecurrentState, first: RecurrentState): void {
    const targets = stateTensors(first);
    stateTensors(state).forEach((source, k) => {
      this.#network.backend.copy({ source, target: targets[k]! });
    });
  }

  #at(tensor: Tensor, t: number): Tensor {
    return this.#network.backend.view(tensor, t, 1);
  }

  #forward(chunk: ClosedLoopChunk, { state, random, lengths }: TrainingCall): void {
    const { backend } = this.#network;
    this.#input.begin(chunk);
    for (let t = 0; t < chunk.steps; t++) {
      const part = inputWithin(backend, chunk, t, 1);
      const answers = this.#at(this.#answers, t);
      if (lengths) backend.upload(this.#lengths, part.lengths!);
      const feedback = chunk.feedback && mixAnswers(backend, answers, chunk, chunk.feedback, this.#fed, t);
      const hidden = this.#stacks[t]!.forward({
        input: this.#input.at(chunk, t, answers),
        injected: this.#injection.forward({ ...part, feedback }, 1),
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

  /** Losses of all steps, outputs becoming their gradients; the head that ends sequences leaves those of what it read. */
  #losses({ first, steps }: ClosedLoopChunk, call: TrainingCall): void {
    const { backend } = this.#network;
    const outputs = backend.view(this.#outputs, 0, steps);
    const sums = { loss: this.loss, correct: this.correct, losses: null };
    this.#head.loss(outputs, targetsWithin(backend, call, first, steps), sums, true);
    this.#lengthHead?.run(
      backend.view(this.#hidden, 0, steps),
      targetsWithin(backend, call.ending!, first, steps),
      { loss: this.lengthLoss, correct: null, losses: null },
      { ...this.gradients.length!, dHidden: backend.view(this.#dEnds!, 0, steps), adds: false },
    );
  }

  /** The gradient of what was fed and read at step t: [1,N,F]. @param fed by step, [T,N,F] */
  #fedGradient(chunk: ClosedLoopChunk, t: number, fed: Tensor, dInjected: Tensor | null): Tensor {
    const { backend, shape } = this.#network;
    const dRead = this.#input.answersGradient(t, this.#at(this.#answers, t));
    const dFed = shape.feedback ? this.#dFed : dRead!;
    if (shape.feedback) {
      this.#injection.feedbackGradient(this.#at(fed, t), this.#at(dInjected!, t), dFed);
      if (dRead) backend.add({ source: dRead, target: dFed });
    }
    if (chunk.own) backend.scaleRows({ input: dFed, factors: this.#at(chunk.own, t), output: dFed });
    return dFed;
  }

  #backward(chunk: ClosedLoopChunk, call: TrainingCall): void {
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
        const dFed = this.#fedGradient(chunk, t + 1, fed, dInjected);
        this.#fedOutput.backward(this.#at(answers, t + 1), dFed, dOutput);
      }
      const { weight } = parameters.decoder;
      backend.denseBackward({ input: this.#at(hidden, t), weight, dOutput, dInput: this.#dHidden, ...none });
      if (this.#dEnds) backend.add({ source: this.#at(this.#dEnds, t), target: this.#dHidden });
      this.#stacks[t]!.backward(
        {
          dOutput: this.#dHidden,
          scratch: this.#dHidden,
          arriving: this.#dState,
          leaving: this.#dState,
          dInput: this.#input.gradient(t),
          dInjected: dInjected && this.#at(dInjected, t),
        },
        0,
      );
    }
    const { decoder } = this.gradients;
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
      this.#firstState.backward(this.gradients, this.#first, this.#dState, call.context);
    this.#input.backward(chunk, answers);
  }

  release(): void {
    const { backend } = this.#network;
    const parts = [this.#firstState, this.#input, this.#injection, this.#head, this.#fedOutput];
    for (const part of [...parts, ...this.#stacks]) part.release();
    this.#lengthHead?.release();
    for (const state of [this.#dState, this.#first]) if (state) releaseState(backend, state);
    const tensors = [
      this.loss,
      this.correct,
      this.lengthLoss,
      this.#lengths,
      this.#hidden,
      this.#outputs,
      this.#answers,
      this.#fed,
      this.#dFed,
      this.#dHidden,
      this.#dEnds,
    ];
    backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
