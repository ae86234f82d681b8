import type { Parameter } from './backend-tensors.ts';

/** One parameter as an optimizer sees it; all of one layout (`like`). */
export interface OptimizerEntry {
  readonly parameter: Parameter;
  /** Only read. */
  readonly gradient: Parameter;
  /** Added to the gradient as weightDecay · parameter, as PyTorch does it (but see `AdamStep.decoupled`). */
  readonly weightDecay: number;
}

/** torch.optim.SGD with dampening 0: b ← momentum · b + g (b = g at the first step, since it starts as zero), p ← p − lr · (nesterov ? g + momentum · b : b). */
export interface SgdStep {
  /** `velocity` is b; null when momentum is 0. */
  readonly entries: readonly (OptimizerEntry & { readonly velocity: Parameter | null })[];
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
}

/** torch.optim.Adam (Kingma and Ba 2015, algorithm 1), ε added after the bias correction: p ← p − lr / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε). */
export interface AdamStep {
  readonly entries: readonly (OptimizerEntry & { readonly first: Parameter; readonly second: Parameter })[];
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** t, from 1. */
  readonly step: number;
  /** true: torch.optim.AdamW (Loshchilov and Hutter 2019): p ← p · (1 − lr · weightDecay) before the step, and the gradient stays as it is. Default false. */
  readonly decoupled?: boolean;
}

/** torch.optim.RMSprop, not centered: v ← α v + (1 − α) g²; b ← momentum · b + g / (√v + ε); p ← p − lr · b. */
export interface RmspropStep {
  /** `square` is v; `velocity` is b, null when momentum is 0. */
  readonly entries: readonly (OptimizerEntry & {
    readonly square: Parameter;
    readonly velocity: Parameter | null;
  })[];
  readonly learningRate: number;
  readonly alpha: number;
  readonly epsilon: number;
  readonly momentum: number;
}

/** torch.optim.Adagrad without its own decay of the rate: s ← s + g²; p ← p − lr · g / (√s + ε). */
export interface AdagradStep {
  /** `sum` is s; its values before the first step are PyTorch's `initial_accumulator_value`. */
  readonly entries: readonly (OptimizerEntry & { readonly sum: Parameter })[];
  readonly learningRate: number;
  readonly epsilon: number;
}
