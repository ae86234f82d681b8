// PyTorch as a rival: one interpreter for each core type that OpenBLAS can be told, all waiting for work, so that none is timed while it starts.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('pytorch.py', import.meta.url));
const coreTypes = ['Zen', 'Haswell', 'SkylakeX'];

/** An interpreter that answers requests one after another; null where PyTorch or the core type's instructions are missing. */
export async function startInterpreter(python, coreType, threads) {
  const child = spawn(python, [script], {
    env: {
      ...process.env,
      ...(coreType && { OPENBLAS_CORETYPE: coreType }),
      OMP_NUM_THREADS: `${threads}`,
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return null;
  return {
    coreType,
    ...JSON.parse(first.value),
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error('PyTorch ended while it was measured.');
      return JSON.parse(answer.value);
    },
    end() {
      child.stdin.end();
    },
  };
}

/** All interpreters that start; none where there is no PyTorch. */
export async function startPyTorch(python, threads) {
  const all = await Promise.all(coreTypes.map((coreType) => startInterpreter(python, coreType, threads)));
  return all.filter((each) => each !== null);
}
