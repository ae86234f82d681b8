import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { DeviceMemory } from '@unfold/kernels';
import { type BatchSize, trainingBytes } from '../estimate.ts';
import { outputSteps } from '../model/head.ts';
import type { NetworkShape } from '../model/network-shape.ts';
import { elementCount, gateCount, parameterTable } from '../model/parameter-table.ts';

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/**
 * Holds what a training needs beside what the device gives, before anything is made there.
 * @throws UnfoldError `out_of_memory` with the figures
 */
export const expectMemory = (
  spec: JobSpec,
  memory: DeviceMemory,
  batch: BatchSize,
  shape: NetworkShape,
): void => {
  const { model } = spec;
  const { lanes, steps } = batch;
  const sizes = parameterTable(model, shape).map((entry) => elementCount(entry.shape));
  const largest = Math.max(...sizes);
  const { parameters, activations } = trainingBytes(spec, batch, shape);
  const workspace = memory.workspace(lanes * steps, largest);
  const outputs = outputSteps(steps, lanes, shape.output.size) * lanes * shape.output.size;
  const gates = steps * lanes * gateCount[model.cell] * model.hidden_size;
  const tensor = 4 * Math.max(largest, gates, outputs);
  const total = parameters + activations + workspace;
  const fixed = parameters + memory.workspace(0, largest);
  const param =
    fixed > memory.total || 4 * largest > memory.tensor ? 'model.hidden_size' : 'training.batch_size';
  const parts =
    `${gigabytes(parameters)} for parameters, gradients and optimizer, ${gigabytes(activations)} for the activations of ` +
    `${steps} time steps of ${lanes} sequences, ${gigabytes(workspace)} for sums on the way`;
  const remedy =
    'Fewer units, sequences of a batch or time steps (training.bptt.window) take less; a worker on a cpu has the memory of its machine.';
  if (total > memory.total)
    throw new UnfoldError(
      'out_of_memory',
      `The job needs about ${gigabytes(total)} of the GPU's memory, ${parts}, but may take ${gigabytes(memory.total)}. ${remedy}`,
      { param },
    );
  if (tensor > memory.tensor)
    throw new UnfoldError(
      'out_of_memory',
      `The job needs ${gigabytes(tensor)} of the GPU's memory in one piece, but the GPU gives ${gigabytes(memory.tensor)} at most. ${remedy}`,
      { param },
    );
};
