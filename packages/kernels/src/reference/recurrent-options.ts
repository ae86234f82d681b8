import type { RecurrentLayer } from '../backend.ts';
import type { CheckedKey, StatisticsArrays } from '../checks/recurrent-options.ts';
import type { Weights } from '../checks/weights.ts';
import type { Engine, RealArray } from '../engine.ts';
import { randomPurposes } from '../philox.ts';
import { gateRows } from '../roles.ts';
import { squashes } from './activation.ts';
import { type BatchStatistics, createBatchStatistics } from './batch-statistics.ts';
import type { Cell, LstmOptions } from './cell.ts';
import { lstmWithOptions } from './lstm-options.ts';
import { drawMask, type Noise, type Zoneout } from './noise.ts';
import {
  batchNormalization,
  type ColumnRange,
  inverseSize,
  layerNormalization,
  type Normalization,
} from './normalization.ts';
import { isNormalized } from './recurrent-layer.ts';

/** What a pass through a layer with options works with besides the plain products and cell. */
export interface PassOptions {
  /** Of U x and of W h; null: not normalised. */
  readonly input: Normalization | null;
  readonly hidden: Normalization | null;
  readonly statistics: BatchStatistics | null;
  readonly noise: Noise | null;
  readonly lstm: LstmOptions | null;
}

export interface PassShape {
  readonly layer: RecurrentLayer;
  readonly cell: Cell;
  readonly weights: Weights;
  readonly N: number;
  /** How many steps are kept: all of them, or one. */
  readonly slots: number;
  readonly normalized: RealArray;
  readonly inverses: RealArray;
  readonly training: CheckedKey | null;
  readonly statistics: StatisticsArrays | null;
  readonly positions: Int32Array | null;
}

export function createPassOptions(engine: Engine, shape: PassShape): PassOptions {
  const statistics =
    shape.statistics &&
    createBatchStatistics(shape.statistics, shape.N, shape.training !== null, shape.positions);
  const norms = createNormalizations(shape, statistics);
  return {
    ...norms,
    statistics,
    noise: createNoise(engine, shape),
    lstm: lstmOptions(engine, shape, norms.cells),
  };
}

function createNormalizations(
  { layer, cell, N, slots, normalized, inverses }: PassShape,
  statistics: BatchStatistics | null,
) {
  if (!isNormalized(layer)) return { input: null, hidden: null, cells: null };
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  let [valuesAt, inversesAt, offset] = [0, 0, 0];
  function next(columns: number, ranges: readonly ColumnRange[]): Normalization {
    const room = {
      N,
      columns,
      ranges,
      values: normalized.subarray(valuesAt, (valuesAt += slots * N * columns)),
      inverses: inverses.subarray(inversesAt, (inversesAt += slots * inverseSize(N, columns, ranges.length))),
    };
    const norm = statistics ? batchNormalization(room, statistics, offset) : layerNormalization(room);
    offset += columns;
    return norm;
  }
  const ranges = cell.hidden.map(({ row, count }) => ({ from: row * H, count: count * H }));
  return {
    input: next(G, [{ from: 0, count: G }]),
    hidden: ranges.length > 0 ? next(G, ranges) : null,
    cells: cell.kind === 'lstm' ? next(H, [{ from: 0, count: H }]) : null,
  };
}

function createNoise(engine: Engine, { layer, N, training }: PassShape): Noise | null {
  const { hiddenSize: H, zoneout, recurrentDropout: dropped = 0 } = layer;
  function zoned(name: string, rate = 0): Zoneout | null {
    if (rate === 0) return null;
    const share = engine.scratch(`zoneout ${name}`, N * H).fill(rate);
    return { share, carry: engine.scratch(`carry ${name}`, N * H) };
  }
  const hidden = zoned('hidden', zoneout?.hidden);
  const cell = zoned('cell', zoneout?.cell);
  const mask = dropped > 0 && training ? engine.scratch('candidate mask', N * H) : null;
  if (!hidden && !cell && !mask) return null;
  return {
    hidden,
    cell,
    go(t, frame) {
      frame.mask = mask;
      if (!training) return;
      const { zoneoutHidden, zoneoutCell, recurrentDropout } = randomPurposes;
      if (hidden) drawMask(hidden.share, N, H, training, zoneoutHidden, t, zoneout!.hidden, 1, 0);
      if (cell) drawMask(cell.share, N, H, training, zoneoutCell, t, zoneout!.cell, 1, 0);
      if (mask) drawMask(mask, N, H, training, recurrentDropout, t, dropped, 0, 1 / (1 - dropped));
    },
  };
}

function lstmOptions(
  engine: Engine,
  { layer, cell, weights, N }: PassShape,
  norm: Normalization | null,
): LstmOptions | null {
  if (cell !== lstmWithOptions) return null;
  const H = layer.hiddenSize;
  const zeros = (name: string, size: number) => engine.scratchDoubles(name, size).fill(0, 0, size);
  return {
    candidate: squashes[layer.candidateActivation ?? 'tanh'],
    peephole: layer.peephole ? weights.peephole : engine.scratch('no peephole', 3 * H).fill(0),
    dPeephole: zeros('dPeephole', 3 * H),
    norm,
    gain: weights.gainCell,
    bias: weights.biasCell,
    dGain: zeros('dGainCell', H),
    dBias: zeros('dBiasCell', H),
    fresh: engine.scratch('fresh cells', N * H),
    inner: engine.scratch('inner cells', N * H),
  };
}
