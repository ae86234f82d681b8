import type { Parameter, Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';
import type { NetworkShape } from './network-shape.ts';

/** Most outputs that are alive at once: a head works through a window in pieces of whole steps. */
const outputsAtOnce = 1 << 22;

/** Steps of a head's pieces. */
export const outputSteps = (steps: number, sequences: number, width: number): number =>
  Math.max(1, Math.min(steps, Math.floor(outputsAtOnce / (sequences * width))));

/** What a head's outputs are held against. */
export interface HeadTargets {
  /** int [T,N] of a softmax, −1: no loss here; else real [T,N,V]. */
  targets: Tensor;
  /** int [T,N] of numbers, 0: no loss here; null: every row counts. */
  mask: Tensor | null;
  /** What the summed loss is divided by. */
  count: number;
}

export interface HeadSums {
  /** double [1], added to. */
  loss: Tensor;
  /** double [1], added to: right answers of a softmax; null: not wanted. */
  correct: Tensor | null;
  /** real [T,N]: each row's loss; null: not wanted. */
  losses: Tensor | null;
}

export interface HeadGradients {
  weight: Parameter | null;
  bias: Parameter | null;
  /** [T,N,K]; null: not wanted. */
  dHidden: Tensor | null;
  /** Adds to `dHidden` instead of overwriting it: another head was there before. */
  adds: boolean;
}

interface HeadOptions {
  loss: NetworkShape['loss'];
  /** Column that the softmax leaves out, or null. */
  excluded: number | null;
}

/** Far below every logit, and finite. */
const never = -1e30;

/** A linear output layer and its loss over [T,N,K], or [N,K] where there is one output a sequence, forward and backward, piece by piece. */
export class Head {
  readonly #network: Network;
  readonly #linear: { weight: Parameter; bias: Parameter };
  readonly #options: HeadOptions;
  readonly #steps: number;
  readonly #outputs: Tensor;
  /** 0, and `never` in the excluded column. */
  readonly #exclusion: Tensor | null;
  #dPiece: Tensor | null = null;

  constructor(
    network: Network,
    linear: { weight: Parameter; bias: Parameter },
    options: HeadOptions,
    [steps, ...sequences]: [number, number] | [number],
  ) {
    const { backend } = network;
    const width = linear.weight.shape[0]!;
    this.#network = network;
    this.#linear = linear;
    this.#options = options;
    this.#steps = outputSteps(steps, sequences[0] ?? 1, width);
    this.#outputs = backend.createTensor([this.#steps, ...sequences, width]);
    this.#exclusion = options.excluded === null ? null : backend.createTensor(this.#outputs.shape);
    if (this.#exclusion)
      backend.upload(
        this.#exclusion,
        Array.from({ length: this.#steps * (sequences[0] ?? 1) * width }, (_, k) =>
          k % width === options.excluded ? never : 0,
        ),
      );
  }

  /** Outputs [T,N,V] before the softmax or the logistic function. @param output at most as many steps as the head's pieces have */
  outputs(hidden: Tensor, output: Tensor): void {
    const { backend } = this.#network;
    backend.denseForward({ input: hidden, ...this.#linear, output });
    if (this.#exclusion)
      backend.add({ source: backend.view(this.#exclusion, 0, output.shape[0]!), target: output });
  }

  /** Losses of `hidden` [T,N,K], and gradients if asked for. */
  run(hidden: Tensor, targets: HeadTargets, sums: HeadSums, gradients: HeadGradients | null): void {
    const { backend } = this.#network;
    const steps = hidden.shape[0]!;
    for (let first = 0; first < steps; first += this.#steps) {
      const size = Math.min(this.#steps, steps - first);
      const part = <T extends Tensor | null>(tensor: T) => tensor && backend.view(tensor, first, size);
      const outputs = backend.view(this.#outputs, 0, size);
      const input = backend.view(hidden, first, size);
      this.outputs(input, outputs);
      this.loss(
        outputs,
        { ...targets, targets: backend.view(targets.targets, first, size), mask: part(targets.mask) },
        { ...sums, losses: part(sums.losses) },
        gradients !== null,
      );
      if (gradients) this.#backward(input, outputs, gradients, part(gradients.dHidden));
    }
  }

  /** Losses of outputs [T,N,V], which become their gradients if asked to. */
  loss(outputs: Tensor, { targets, mask, count }: HeadTargets, sums: HeadSums, gradient: boolean): void {
    const { backend } = this.#network;
    const { loss, correct, losses } = sums;
    const shared = { targets, count, loss, accumulate: true, losses };
    switch (this.#options.loss) {
      case 'softmax':
        backend.softmaxCrossEntropy({
          ...shared,
          logits: outputs,
          correct,
          dLogits: gradient ? outputs : null,
        });
        break;
      case 'squared_error':
        backend.squaredError({
          ...shared,
          mask,
          predictions: outputs,
          dPredictions: gradient ? outputs : null,
        });
        break;
      case 'bernoulli':
        backend.bernoulliCrossEntropy({
          ...shared,
          mask,
          logits: outputs,
          dLogits: gradient ? outputs : null,
        });
        break;
    }
  }

  #backward(input: Tensor, dOutput: Tensor, gradients: HeadGradients, dHidden: Tensor | null): void {
    const { backend } = this.#network;
    const { weight: dWeight, bias: dBias, adds } = gradients;
    const { weight } = this.#linear;
    if (!dHidden || !adds) {
      backend.denseBackward({ input, weight, dOutput, dInput: dHidden, dWeight, dBias });
      return;
    }
    this.#dPiece ??= backend.createTensor([this.#steps, ...dHidden.shape.slice(1)]);
    const dInput = backend.view(this.#dPiece, 0, dHidden.shape[0]!);
    backend.denseBackward({ input, weight, dOutput, dInput, dWeight, dBias });
    backend.add({ source: dInput, target: dHidden });
  }

  release(): void {
    const tensors = [this.#outputs, this.#exclusion, this.#dPiece];
    this.#network.backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}

/** The head of tokens, labels or numbers. */
export const outputHead = (network: Network, steps: number, sequences: number): Head =>
  new Head(
    network,
    network.parameters.decoder,
    network.shape,
    network.shape.outputAt === 'end' ? [sequences] : [steps, sequences],
  );

/** The head that ends sequences; null: the end is a token. */
export const lengthHead = (network: Network, steps: number, sequences: number): Head | null => {
  const { parameters, model } = network;
  if (!parameters.length) return null;
  const loss = model.length === 'bernoulli' ? 'bernoulli' : 'softmax';
  return new Head(network, parameters.length, { loss, excluded: null }, [steps, sequences]);
};
