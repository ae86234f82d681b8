import type { Parameter, Tensor } from '@unfold/kernels';
import { linearBackward, linearForward, mixRows, mixRowsBackward } from './linear.ts';
import type { GradientSet, Network } from './network.ts';
import { gateCount } from './parameter-table.ts';

/** What enters layer 0 beside its input. Null where the network has no place for it. */
export interface Sources {
  /** f_{t−1}: int [T,N], −1 where nothing is fed, or real [T,N,F]: numbers, or probabilities of tokens. */
  feedback: Tensor | null;
  /** int [N] or real [N,C], the same at every step. */
  context: Tensor | null;
  /** [T,N,2]: r_{t−1} / longest, and whether it is known. */
  countdown: Tensor | null;
}

/** Whether tokens are not looked up in a table but mixed by their probabilities. */
const isMixture = ({ role }: Parameter, input: Tensor): boolean =>
  role.use === 'embedding' && input.type === 'real';

/** What joins the gates' input sum of layer 0: products with feedback, context and countdown, one for all time steps. */
export class Injection {
  readonly #network: Network;
  /** [T,N,G·H]; null: the network injects nothing. */
  readonly #sum: Tensor | null;
  readonly #part: Tensor | null;
  /** The context's part, [N,G·H], and which of its rows each step takes, int [T,N]. */
  readonly #context: Tensor | null;
  readonly #rows: Tensor | null;
  /** Where a product with probabilities, which comes step by step, needs room, [1,N,G·H]. */
  #scratch: Tensor | null = null;

  constructor(network: Network, steps: number, sequences: number) {
    const { backend, parameters, model } = network;
    const { feedback, context, countdown } = parameters;
    const rows = gateCount[model.cell] * model.hidden_size;
    const count = [feedback, context, countdown].filter(Boolean).length;
    this.#network = network;
    this.#sum = count > 0 ? backend.createTensor([steps, sequences, rows]) : null;
    this.#part = count > 1 ? backend.createTensor([steps, sequences, rows]) : null;
    this.#context = context && backend.createTensor([sequences, rows]);
    this.#rows = context && backend.createTensor([steps, sequences], 'int');
    if (this.#rows)
      backend.upload(
        this.#rows,
        Int32Array.from({ length: steps * sequences }, (_, k) => k % sequences),
      );
  }

  /** Whether `backward` has anything to do. */
  static trains({ feedback, context, countdown }: GradientSet): boolean {
    return feedback !== null || context !== null || countdown !== null;
  }

  /** [T,N,G·H], valid until the next call; null: nothing. */
  forward(sources: Partial<Sources>, steps: number): Tensor | null {
    if (this.#sum === null) return null;
    const { backend, parameters } = this.#network;
    const sum = backend.view(this.#sum, 0, steps);
    let filled = false;
    const join = (fill: (output: Tensor) => void): void => {
      const output = filled ? backend.view(this.#part!, 0, steps) : sum;
      fill(output);
      if (filled) backend.add({ source: output, target: sum });
      filled = true;
    };
    const { feedback, context, countdown } = parameters;
    if (feedback) join((output) => this.#feed(feedback, sources.feedback!, output));
    if (countdown)
      join((output) =>
        backend.denseForward({ input: sources.countdown!, weight: countdown, bias: null, output }),
      );
    if (context)
      join((output) => {
        linearForward(backend, {
          weight: context,
          bias: null,
          input: sources.context!,
          output: this.#context!,
        });
        const indices = backend.view(this.#rows!, 0, steps);
        backend.gatherRows({ source: this.#context!, indices, output });
      });
    return sum;
  }

  #feed(weight: Parameter, fed: Tensor, output: Tensor): void {
    const { backend } = this.#network;
    if (!isMixture(weight, fed)) {
      linearForward(backend, { weight, bias: null, input: fed, output });
      return;
    }
    this.#scratch ??= backend.createTensor(output.shape);
    mixRows(backend, { table: weight, weights: fed, output, scratch: this.#scratch });
  }

  /** Room for the gradient of what `forward` gave: [T,N,G·H], which it overwrites. */
  gradient(steps: number): Tensor | null {
    return this.#sum && this.#network.backend.view(this.#sum, 0, steps);
  }

  /** @param dSum of the injected sum, [T,N,G·H] */
  backward(gradients: GradientSet, sources: Sources, dSum: Tensor): void {
    const { backend, parameters } = this.#network;
    const back = (name: 'feedback' | 'countdown', input: Tensor | null): void => {
      const weight = parameters[name];
      const dWeight = gradients[name];
      if (!weight || !dWeight) return;
      if (isMixture(weight, input!))
        mixRowsBackward(backend, {
          table: weight,
          weights: input!,
          dOutput: dSum,
          dWeights: null,
          dTable: dWeight,
        });
      else linearBackward(backend, { weight, input: input!, dOutput: dSum, dWeight, dBias: null });
    };
    back('feedback', sources.feedback);
    back('countdown', sources.countdown);
    if (!parameters.context || !gradients.context) return;
    backend.zero(this.#context!);
    const indices = backend.view(this.#rows!, 0, dSum.shape[0]!);
    backend.scatterAddRows({ source: dSum, indices, target: this.#context! });
    linearBackward(backend, {
      weight: parameters.context,
      input: sources.context!,
      dOutput: this.#context!,
      dWeight: gradients.context,
      dBias: null,
    });
  }

  /**
   * Gradient of what was fed.
   * @param fed real [T,N,F]
   * @param dSum of the injected sum, [T,N,G·H]
   * @param dFed real [T,N,F]
   */
  feedbackGradient(fed: Tensor, dSum: Tensor, dFed: Tensor): void {
    const { backend, parameters } = this.#network;
    const weight = parameters.feedback!;
    if (isMixture(weight, fed))
      mixRowsBackward(backend, { table: weight, weights: fed, dOutput: dSum, dWeights: dFed, dTable: null });
    else
      backend.denseBackward({ input: fed, weight, dOutput: dSum, dInput: dFed, dWeight: null, dBias: null });
  }

  release(): void {
    const tensors = [this.#sum, this.#part, this.#context, this.#rows, this.#scratch];
    this.#network.backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
