import type { Tensor } from '@unfold/kernels';
import { linearBackward, linearForward } from './linear.ts';
import type { GradientSet, Network } from './network.ts';
import type { RecurrentState } from './recurrent-state.ts';
import { resetState } from './recurrent-state.ts';

/** The states before the first step: zeros, learned rows, or h_0 = tanh(A x + a) and c_0 = B x + b of the context x, by layer. */
export class FirstState {
  readonly #network: Network;
  /** int [N] of zeros: every sequence starts with the one row of a learned state. */
  readonly #rows: Tensor | null;
  /** Through the tanh of h_0, [N,H]. */
  readonly #dHidden: Tensor | null;

  constructor(network: Network, sequences: number) {
    const { backend, parameters, model } = network;
    this.#network = network;
    this.#rows = parameters.initialState ? backend.createTensor([sequences], 'int') : null;
    this.#dHidden = parameters.contextState ? backend.createTensor([sequences, model.hidden_size]) : null;
  }

  /** @param context int [N] or real [N,C] */
  set(state: RecurrentState, context: Tensor | null): void {
    const { backend, parameters } = this.#network;
    const { initialState, contextState } = parameters;
    if (initialState)
      initialState.forEach(({ h, c }, k) => {
        backend.embeddingForward({ table: h, tokens: this.#rows!, output: state.h[k]! });
        if (c) backend.embeddingForward({ table: c, tokens: this.#rows!, output: state.c[k]! });
      });
    else if (contextState)
      contextState.forEach(({ h, c }, k) => {
        linearForward(backend, { ...h, input: context!, output: state.h[k]! });
        backend.tanh({ input: state.h[k]!, output: state.h[k]! });
        if (c) linearForward(backend, { ...c, input: context!, output: state.c[k]! });
      });
    else resetState(backend, state);
  }

  /**
   * @param first the states that `set` gave; only with a context
   * @param gradient of these states
   */
  backward(
    gradients: GradientSet,
    first: RecurrentState | null,
    gradient: RecurrentState,
    context: Tensor | null,
  ): void {
    const { backend, parameters } = this.#network;
    gradients.initialState?.forEach(({ h, c }, k) => {
      const tokens = this.#rows!;
      if (h) backend.embeddingBackward({ tokens, dOutput: gradient.h[k]!, dTable: h });
      if (c) backend.embeddingBackward({ tokens, dOutput: gradient.c[k]!, dTable: c });
    });
    parameters.contextState?.forEach(({ h, c }, k) => {
      const own = gradients.contextState![k]!;
      const dHidden = this.#dHidden!;
      backend.tanhBackward({ output: first!.h[k]!, dOutput: gradient.h[k]!, dInput: dHidden });
      linearBackward(backend, {
        weight: h.weight,
        input: context!,
        dOutput: dHidden,
        dWeight: own.h.weight,
        dBias: own.h.bias,
      });
      if (c)
        linearBackward(backend, {
          weight: c.weight,
          input: context!,
          dOutput: gradient.c[k]!,
          dWeight: own.c!.weight,
          dBias: own.c!.bias,
        });
    });
  }

  release(): void {
    this.#network.backend.release(...[this.#rows, this.#dHidden].filter((tensor) => tensor !== null));
  }
}
