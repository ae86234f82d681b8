import { bufferTable, parameterTable } from '../model/parameter-table.ts';
import { describeWeights } from './inspect.ts';
import { encodingMetadata } from './metadata.ts';
import { readTensor, writeSafetensorsSync } from './safetensors.ts';

/**
 * The published form of a checkpoint: a safetensors file of the float32 parameters by PyTorch's names (a tied weight under both of its
 * names, as `load_state_dict(strict=True)` wants it), with the metadata `spec` and `tokenizer` (or `encoding`, where data are not just text).
 * @throws UnfoldError `invalid_weights` if the bytes are no checkpoint
 */
export const exportWeights = (checkpoint: Uint8Array): Uint8Array => {
  const described = describeWeights(checkpoint, { headerBytes: checkpoint.length });
  const { header, spec, encoding } = described;
  const table = parameterTable(spec.model, described.shape).map(({ name, shape }) => ({
    name,
    shape,
    source: name,
  }));
  if (spec.model.tie_weights) {
    const encoder = table.find(({ name }) => name === 'encoder.weight')!;
    table.splice(-1, 0, { ...encoder, name: 'decoder.weight' });
  }
  const buffers = bufferTable(spec.model, described.shape).map(({ name, shape }) => ({
    name,
    shape,
    source: name,
  }));
  return writeSafetensorsSync(
    [...table, ...buffers].map(({ name, shape, source }) => ({
      name,
      shape,
      dtype: 'F32',
      values: () => readTensor(checkpoint, header, source, Float32Array),
    })),
    { spec: JSON.stringify(spec), ...encodingMetadata(encoding) },
  );
};
