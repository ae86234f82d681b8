import type { DeviceMemory } from '@unfold/kernels';
import { describe, expect, it } from 'vitest';
import { completeSpec } from '../complete-spec.ts';
import { activationBytes } from '../estimate.ts';
import { textShape } from '../model/network-shape.ts';
import { countParameters } from '../model/parameter-table.ts';
import { expectMemory } from './device-memory.ts';

const spec = completeSpec({ file: 'file-00000000000000000000', model: { hidden_size: 64, num_layers: 1 } });
const shape = textShape(100);
const batch = { lanes: 8, steps: 16 };
const workspaceBytes = 1000;
const kept = 4 * 4 * countParameters(spec.model, shape);
const needed = kept + activationBytes(spec, batch, shape) + workspaceBytes;
const device = (total: number, tensor = total): DeviceMemory => ({
  total,
  tensor,
  workspace: (rows) => (rows > 0 ? workspaceBytes : 0),
});

describe('the memory of a device', () => {
  it('must have room for parameters with gradients and moments, activations and what kernels take', () => {
    expect(() => expectMemory(spec, device(needed), batch, shape)).not.toThrow();
    expect(() => expectMemory(spec, device(needed - 1), batch, shape)).toThrow(
      expect.objectContaining({
        code: 'out_of_memory',
        param: 'training.batch_size',
        message: expect.stringMatching(/16 time steps of 8 sequences.* may take 0\.00 GB/),
      }),
    );
  });

  it('refuses by its size a model that no batch is small enough for', () => {
    const refused = expect.objectContaining({ code: 'out_of_memory', param: 'model.hidden_size' });
    expect(() => expectMemory(spec, device(kept - 1), batch, shape)).toThrow(refused);
    expect(() => expectMemory(spec, device(needed, 4 * 4 * 64 * 64), batch, shape)).toThrow(refused);
  });

  it('must have room for the largest tensor in one piece', () => {
    const gates = 4 * 16 * 8 * 4 * 64;
    expect(() => expectMemory(spec, device(needed, gates - 1), batch, shape)).toThrow(/in one piece/);
    expect(() => expectMemory(spec, device(needed, gates), batch, shape)).not.toThrow();
  });
});
