import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { Tensor } from '@unfold/kernels';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import { type Network, upload } from '../model/network.ts';
import type { RecurrentState } from '../model/recurrent-state.ts';
import { encodingMetadata, readEncoding } from '../weights/metadata.ts';
import {
  type FileMemory,
  readHeader,
  readTensor,
  type SafetensorsHeader,
  type TensorToWrite,
  writeSafetensors,
  writeSafetensorsSync,
} from '../weights/safetensors.ts';
import type { Optimizer } from './optimizer.ts';
import type { CheckpointRecord } from './training-state.ts';

/** Every tensor of a run under its name in checkpoints: parameters by PyTorch's names, running statistics, moments, and the state that flows on. */
export const checkpointTensors = (
  network: Network,
  optimizer: Optimizer,
  carried: RecurrentState | null,
): { name: string; tensor: Tensor }[] => [
  ...network.table.map(({ name }, k) => ({ name, tensor: network.parameters.all[k]! })),
  ...network.buffers,
  ...optimizer.slots.flatMap(({ slot, tensors }) =>
    tensors.map(({ parameter, tensor }) => ({ name: `optimizer.${slot}.${parameter}`, tensor })),
  ),
  ...(carried ? (['h', 'c'] as const) : []).flatMap((state) =>
    carried![state].flatMap((tensor, k) =>
      tensor === null ? [] : [{ name: `carried.${state}_l${k}`, tensor }],
    ),
  ),
];

const rollbackPrefix = 'rollback.';

interface CheckpointContent {
  spec: JobSpec;
  encoding: RecordEncoding;
  record: CheckpointRecord;
}

const metadataOf = ({ spec, encoding, record }: CheckpointContent): Record<string, string> => ({
  spec: JSON.stringify(spec),
  ...encodingMetadata(encoding),
  training: JSON.stringify(record),
});

/** What a checkpoint carries along of an earlier one, which need not be in memory. */
export interface CarriedPoint {
  header: SafetensorsHeader;
  state: CheckpointRecord['state'];
  /** Reads a tensor into `place`, which has its size and type. */
  read(name: string, place: Float32Array | Float64Array): Promise<unknown>;
}

/**
 * A checkpoint's bytes: all tensors at the backend's precision, everything else in the metadata.
 * @param rollbackPoint is carried along; null: this checkpoint is one itself
 * @param memory where to write it; fresh memory by default
 */
export const writeCheckpoint = (
  network: Network,
  tensors: { name: string; tensor: Tensor }[],
  content: CheckpointContent,
  rollbackPoint: CarriedPoint | null,
  memory?: FileMemory,
): Promise<Uint8Array> => {
  const { backend } = network;
  const dtype = backend.describe().precision === 'float64' ? 'F64' : 'F32';
  const own = tensors.map(
    ({ name, tensor }): TensorToWrite => ({
      name,
      dtype,
      shape: tensor.shape,
      write: (place) => backend.download(tensor, place),
    }),
  );
  if (rollbackPoint === null) return writeSafetensors(own, metadataOf(content), memory);
  const carried = [...rollbackPoint.header.tensors].map(
    ([name, { shape }]): TensorToWrite => ({
      name: rollbackPrefix + name,
      dtype,
      shape,
      write: (place) => rollbackPoint.read(name, place),
    }),
  );
  const record = { ...content.record, rollback_point: rollbackPoint.state };
  return writeSafetensors([...own, ...carried], metadataOf({ ...content, record }), memory);
};

/** The rollback point that a checkpoint carries or is, as the bytes of a checkpoint. */
export const rollbackPointOf = (checkpoint: Checkpoint): Uint8Array => {
  const { bytes, header } = checkpoint;
  const { rollback_point: state, ...record } = checkpoint.record;
  if (state === undefined) return bytes;
  const carried = [...header.tensors].filter(([name]) => name.startsWith(rollbackPrefix));
  return writeSafetensorsSync(
    carried.map(([name, { dtype, shape }]) => {
      const copy = { name: name.slice(rollbackPrefix.length), shape };
      return dtype === 'F64'
        ? { ...copy, dtype, values: () => readTensor(bytes, header, name, Float64Array) }
        : { ...copy, dtype: 'F32', values: () => readTensor(bytes, header, name, Float32Array) };
    }),
    metadataOf({ ...checkpoint, record: { ...record, state } }),
  );
};

export interface Checkpoint {
  bytes: Uint8Array;
  header: SafetensorsHeader;
  spec: JobSpec;
  encoding: RecordEncoding;
  record: CheckpointRecord;
}

/** @throws UnfoldError `invalid_weights` if the bytes are not a checkpoint */
export const readCheckpoint = (bytes: Uint8Array): Checkpoint => {
  const header = readHeader(bytes, { headerBytes: bytes.length });
  const entry = (name: string): unknown => {
    const text = header.metadata.get(name);
    if (text === undefined)
      throw new UnfoldError(
        'invalid_weights',
        `Not a checkpoint to go on from: it has no metadata "${name}".`,
      );
    return JSON.parse(text);
  };
  const spec = entry('spec') as JobSpec;
  const record = entry('training') as CheckpointRecord;
  // Written before runs could roll back.
  record.state.rollbacks ??= 0;
  if (record.version !== 1)
    throw new UnfoldError(
      'invalid_weights',
      `Expected a checkpoint of version 1, but received ${record.version}.`,
    );
  return {
    bytes,
    header,
    spec,
    encoding: readEncoding(header, spec),
    record,
  };
};

/** Uploads a checkpoint's tensors into those of a run. */
export const restoreTensors = (
  network: Network,
  tensors: { name: string; tensor: Tensor }[],
  checkpoint: Checkpoint,
): void => {
  const double = network.backend.describe().precision === 'float64';
  for (const { name, tensor } of tensors) {
    const shape = checkpoint.header.tensors.get(name)?.shape;
    if (shape?.join() !== tensor.shape.join())
      throw new UnfoldError(
        'invalid_weights',
        `The checkpoint's tensor "${name}" has shape [${shape ?? 'missing'}], expected [${tensor.shape}].`,
      );
    upload(
      network.backend,
      tensor,
      double
        ? readTensor(checkpoint.bytes, checkpoint.header, name, Float64Array)
        : readTensor(checkpoint.bytes, checkpoint.header, name, Float32Array),
    );
  }
};

/** What must not change between the attempts of a run, or the checkpoint would not be a point of it. */
const fixedFields = (spec: JobSpec): Record<string, unknown> => ({
  task: spec.task,
  series: spec.series,
  text: spec.text,
  model: spec.model,
  seed: spec.seed,
  start_from: spec.start_from,
  'training.batch_size': spec.training.batch_size,
  'training.sequence_length': spec.training.sequence_length,
  'training.bucketing': spec.training.bucketing,
  'training.loss': spec.training.loss,
  'training.teacher_forcing': spec.training.teacher_forcing,
  'training.optimizer.type': spec.training.optimizer.type,
  'training.validation_fraction': spec.training.validation_fraction,
});

/** @throws UnfoldError `contradictory_options` naming the first field that differs */
export const expectSameRun = (spec: JobSpec, earlier: JobSpec): void => {
  const before = fixedFields(earlier);
  for (const [field, value] of Object.entries(fixedFields(spec)))
    if (!sameValue(value, before[field]))
      throw new UnfoldError(
        'contradictory_options',
        `${field} differs from the checkpoint's: it cannot change within a run.`,
        {
          param: field,
        },
      );
};

/** Equality whatever the order of the keys, which a database may have changed. */
const sameValue = (a: unknown, b: unknown): boolean => {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
};
