import * as tf from '@tensorflow/tfjs-core';
import type { RecurrentLayer } from '../backend.ts';
import { checkLayer } from '../checks/layer.ts';
import type { SavedPass } from '../checks/recurrent.ts';
import type { CheckedKey, StatisticsArrays } from '../checks/recurrent-options.ts';
import type { Weights } from '../checks/weights.ts';
import { randomPurposes } from '../philox.ts';
import { drawMask } from '../reference/noise.ts';
import { gateRows } from '../roles.ts';
import { type BatchStatistics, createBatchStatistics } from './batch-statistics.ts';
import type { Cell, CellWeights } from './cell.ts';
import { cellOf } from './cells.ts';
import { column, type TfDoor } from './context.ts';
import {
  type Alive,
  batchNormalization,
  layerNormalization,
  type Normalization,
  type Normalized,
} from './normalization.ts';
import { type Place, read } from './places.ts';

/** What one step of a forward pass leaves for its backward pass. */
export interface StepRecord {
  /** The cell's own. */
  readonly kept: object;
  readonly alive: Alive | null;
  readonly noise: Noise;
  /** The input's product normalised. */
  readonly input: Normalized | null;
  /** What was multiplied by W, range by range, and the product normalised. */
  readonly hidden: readonly { readonly source: tf.Tensor; readonly normalized: Normalized | null }[];
}

/** Saved activations, step by step; none before the first forward pass and after each backward pass. */
export interface TfSaved extends SavedPass<Place> {
  records: readonly StepRecord[];
}

export function createSaved(door: TfDoor, layer: RecurrentLayer, steps: number, sequences: number): TfSaved {
  checkLayer(layer);
  return { engine: door, layer, steps, sequences, records: [], pass: null, released: false };
}

export function freeSaved(saved: TfSaved): void {
  tf.dispose(saved.records as never);
  saved.records = [];
}

/** The random parts of a step: how much of the old states stays, [N,H] or a number, and the mask of recurrent dropout. Null: as it is. */
export interface Noise {
  readonly h: tf.Tensor | null;
  readonly c: tf.Tensor | null;
  readonly mask: tf.Tensor | null;
}

/** What a pass is of, forward or back. */
interface PassShape {
  readonly layer: RecurrentLayer;
  readonly N: number;
  readonly weights: Weights<Place>;
  readonly lengths: Int32Array | null;
  readonly training: CheckedKey | null;
  readonly statistics: StatisticsArrays<Place> | null;
  readonly positions: Int32Array | null;
  readonly firstStep: number;
}

interface PassWeights extends CellWeights {
  /** [G·H,C]; [C,G·H] of a layer that reads tokens. */
  readonly input: tf.Tensor2D;
  /** Of each range of the cell's, [blocks·H,H], and its transpose. */
  readonly hidden: readonly tf.Tensor2D[];
  readonly hiddenTransposed: readonly tf.Tensor2D[];
  /** [1,G·H]. */
  readonly gainIh: tf.Tensor | null;
  readonly gainHh: tf.Tensor | null;
}

export interface RecurrentPass {
  readonly layer: RecurrentLayer;
  readonly cell: Cell;
  readonly H: number;
  /** G·H. */
  readonly G: number;
  readonly weights: PassWeights;
  /** null: nothing is normalised. */
  readonly normalization: Normalization | null;
  readonly statistics: BatchStatistics | null;
  /** Columns `first` … of a range, of a row [1,G·H]. */
  ofRange(row: tf.Tensor, range: number): tf.Tensor;
  aliveAt(t: number): Alive | null;
  noiseAt(t: number): Noise;
}

function readWeights(layer: RecurrentLayer, cell: Cell, weights: Weights<Place>): PassWeights {
  const [H, G, C] = [layer.hiddenSize, gateRows(layer), layer.inputSize];
  const row = (place: Place, size: number) => (place.length === 0 ? null : read(place, [1, size]));
  const matrix = (place: Place, shape: [number, number]) => read(place, shape) as tf.Tensor2D;
  const hidden = cell.ranges.map(
    ([first, count]) =>
      tf.slice(read(weights.weightHh, [G, H]), [first * H, 0], [count * H, H]) as tf.Tensor2D,
  );
  return {
    hidden,
    hiddenTransposed: hidden.map((range) => tf.transpose(range)),
    input: matrix(weights.weightIh, layer.input === 'tokens' ? [C, G] : [G, C]),
    biasIh: read(weights.biasIh, [1, G]),
    biasHh: row(weights.biasHh, G) ?? tf.zeros([1, G]),
    peephole: weights.peephole.length === 0 ? null : read(weights.peephole, [3, H]),
    gainIh: row(weights.gainIh, G),
    gainHh: row(weights.gainHh, G),
    gainCell: row(weights.gainCell, H),
    biasCell: row(weights.biasCell, H),
  };
}

/** To be used within the `tf.tidy` that it was made in. */
export function createPass({
  layer,
  N,
  weights,
  lengths,
  training,
  statistics: places,
  positions,
  firstStep,
}: PassShape): RecurrentPass {
  const { hiddenSize: H, zoneout, recurrentDropout: dropped = 0, norm = 'none' } = layer;
  const cell = cellOf(layer);
  const statistics = places && createBatchStatistics(places, training !== null, positions);

  function draw(purpose: number, t: number, rate: number, hit: number, miss: number): tf.Tensor {
    const mask = new Float32Array(N * H);
    drawMask(mask, N, H, training!, purpose, firstStep + t, rate, hit, miss);
    return tf.tensor2d(mask, [N, H]);
  }
  function share(purpose: number, t: number, rate = 0): tf.Tensor | null {
    if (rate === 0) return null;
    return training ? draw(purpose, t, rate, 1, 0) : tf.scalar(rate);
  }

  return {
    layer,
    cell,
    H,
    G: gateRows(layer),
    weights: readWeights(layer, cell, weights),
    normalization: norm === 'none' ? null : statistics ? batchNormalization(statistics) : layerNormalization,
    statistics,
    ofRange(row, range) {
      const [first, count] = cell.ranges[range]!;
      return tf.slice(row, [0, first * H], [1, count * H]);
    },
    aliveAt(t) {
      if (!lengths) return null;
      const present = lengths.map((length) => (length > t ? 1 : 0));
      const count = present.reduce((sum, one) => sum + one, 0);
      return count === N ? null : { rows: column(present), count };
    },
    noiseAt(t) {
      const { zoneoutHidden, zoneoutCell, recurrentDropout } = randomPurposes;
      return {
        h: share(zoneoutHidden, t, zoneout?.hidden),
        c: share(zoneoutCell, t, zoneout?.cell),
        mask: dropped > 0 && training ? draw(recurrentDropout, t, dropped, 0, 1 / (1 - dropped)) : null,
      };
    },
  };
}

/** [steps·N,columns] as [N,columns] step by step. By halves, since WebAssembly copies all of a tensor to cut a part out of it. */
export function stepsOf(all: tf.Tensor, steps: number): tf.Tensor[] {
  if (steps === 1) return [all];
  const half = Math.floor(steps / 2);
  const N = all.shape[0]! / steps;
  const [early, late] = tf.split(all, [half * N, (steps - half) * N], 0) as [tf.Tensor, tf.Tensor];
  return [...stepsOf(early, half), ...stepsOf(late, steps - half)];
}
