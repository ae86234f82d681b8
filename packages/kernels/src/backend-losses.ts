import type { Tensor } from './backend-tensors.ts';

export interface SoftmaxCrossEntropy {
  /** […,V]. */
  readonly logits: Tensor;
  /** int […]; −1 means that there is no loss here. */
  readonly targets: Tensor;
  /** What the summed loss is divided by, > 0: the number of targets ≥ 0 of the whole optimizer step, so that a step cut into chunks still has the mean as its loss. */
  readonly count: number;
  /** double [1]: Σ loss / count. */
  readonly loss: Tensor;
  /** true: adds to `loss`. Default false. */
  readonly accumulate?: boolean;
  /** double [1]: how many targets have the highest logit of their row (ties: the lowest id wins); null: not wanted. Default null. `accumulate` applies. */
  readonly correct?: Tensor | null;
  /** −log softmax(logits)[target] per row, 0 where there is no target; null: not wanted. */
  readonly losses: Tensor | null;
  /** (softmax(logits) − onehot(target)) / count, 0 where there is no target; null: not wanted. May be the tensor `logits`. */
  readonly dLogits: Tensor | null;
}

export interface LogSoftmax {
  /** […,V]. */
  readonly logits: Tensor;
  /** […,V]; may be the tensor `logits`. */
  readonly output: Tensor;
}

/** What losses over rows of numbers share: rows are all dimensions but the last. */
interface RowLoss {
  /** int […], one a row: 0 means that there is no loss here, whatever the row holds; null or absent: every row counts. */
  readonly mask?: Tensor | null;
  /** What the summed loss is divided by, > 0: that of the whole optimizer step, see `SoftmaxCrossEntropy`. */
  readonly count: number;
  /** double [1]: Σ loss / count. */
  readonly loss: Tensor;
  /** true: adds to `loss`. Default false. */
  readonly accumulate?: boolean;
  /** […], each row's loss, summed over its columns and not divided, 0 where masked; null: not wanted. */
  readonly losses: Tensor | null;
}

/** Σ_d (predictions − targets)², per row. */
export interface SquaredError extends RowLoss {
  /** […,D]. */
  readonly predictions: Tensor;
  /** real […,D]. */
  readonly targets: Tensor;
  /** 2 (predictions − targets) / count, 0 where masked; null: not wanted. May be the tensor `predictions`. */
  readonly dPredictions: Tensor | null;
}

/** −Σ_d (y ln σ(x) + (1 − y) ln(1 − σ(x))), per row, from the logits x, as torch.nn.BCEWithLogitsLoss; y is 0, 1 or between. */
export interface BernoulliCrossEntropy extends RowLoss {
  /** […,D]. */
  readonly logits: Tensor;
  /** real […,D]. */
  readonly targets: Tensor;
  /** (σ(logits) − targets) / count, 0 where masked; null: not wanted. May be the tensor `logits`. */
  readonly dLogits: Tensor | null;
}

export interface Softmax {
  /** […,V]. */
  readonly logits: Tensor;
  /** […,V]; may be the tensor `logits`. */
  readonly output: Tensor;
}

/** For predictions that are fed back: the gradient of `Softmax`. */
export interface SoftmaxBackward {
  /** What `Softmax` gave. */
  readonly output: Tensor;
  readonly dOutput: Tensor;
  /** output · (dOutput − Σ output · dOutput), row by row. May be the tensor `dOutput` unless `accumulate`. */
  readonly dLogits: Tensor;
  /** true: adds to `dLogits`, as where the loss has its part in it. Default false. */
  readonly accumulate?: boolean;
}
