import type { Tensor } from '@unfold/kernels';
import type { Network } from '../model/network.ts';
import type { PassInput } from '../model/pass-batch.ts';
import { stateTensors } from '../model/recurrent-state.ts';
import { StepwisePass } from '../model/stepwise-pass.ts';

/** A sequence of answers and its log-probability in nats. */
export interface Found {
  tokens: number[];
  log_probability: number;
}

interface Survivor {
  /** Row of the step before. */
  parent: number;
  token: number;
  score: number;
}

/** The `width` best continuations; of equal ones that of the lower row, then of the lower token. */
const best = (scores: readonly number[], logProbabilities: ArrayLike<number>, width: number): Survivor[] => {
  const V = logProbabilities.length / width;
  const found: Survivor[] = [];
  scores.forEach((score, parent) => {
    for (let token = 0; token < V; token++) {
      const sum = score + logProbabilities[parent * V + token]!;
      if (found.length === width && !(sum > found.at(-1)!.score)) continue;
      let place = found.length;
      while (place > 0 && sum > found[place - 1]!.score) place--;
      found.splice(place, 0, { parent, token, score: sum });
      if (found.length > width) found.pop();
    }
  });
  return found;
};

/**
 * The likeliest answers to one sequence of a network that is fed what it answers, as far as a beam of `width` finds them: by their summed
 * log-probabilities, which need no length exponent since all answers are as long as the input. A width of 1 is greedy.
 * @param batch the sequence in each of `width` rows; its feedback is overwritten
 * @param turn awaited between steps; false once nobody waits for the answer
 * @returns null: nobody waits
 */
export const beamSearch = async (
  network: Network,
  batch: PassInput,
  width: number,
  turn: () => Promise<boolean>,
): Promise<Found | null> => {
  const { backend, model } = network;
  const pass = new StepwisePass(network, width);
  const states = stateTensors(pass.state);
  const indices = backend.createTensor([width], 'int');
  const spare = backend.createTensor([width, model.hidden_size]);
  /** Rows move to where their survivors are. */
  const follow = (tensor: Tensor): void => {
    backend.gatherRows({ source: tensor, indices, output: spare });
    backend.copy({ source: spare, target: tensor });
  };
  const steps: Survivor[][] = [];
  try {
    pass.begin(batch);
    for (let t = 0; t < batch.steps; t++) {
      pass.step(batch, t);
      backend.logSoftmax({ logits: pass.outputs, output: pass.outputs });
      const survivors = best(
        steps.at(-1)?.map(({ score }) => score) ?? [0],
        await backend.download(pass.outputs),
        width,
      );
      steps.push(survivors);
      if (t + 1 === batch.steps) break;
      // Few tokens may leave rows empty at first: they repeat the best one, and are never looked at.
      const rows = Array.from({ length: width }, (_, k) => survivors[k] ?? survivors[0]!);
      backend.upload(
        indices,
        Int32Array.from(rows, ({ parent }) => parent),
      );
      if (rows.some(({ parent }, k) => parent !== k)) states.forEach(follow);
      backend.upload(
        backend.view(batch.feedback!, t + 1, 1),
        Int32Array.from(rows, ({ token }) => token),
      );
      if (!(await turn())) return null;
    }
  } finally {
    pass.release();
    backend.release(indices, spare);
  }
  const tokens = new Array<number>(batch.steps);
  for (let t = batch.steps - 1, row = 0; t >= 0; t--) {
    const { token, parent } = steps[t]![row]!;
    tokens[t] = token;
    row = parent;
  }
  return { tokens, log_probability: steps.at(-1)![0]!.score };
};
