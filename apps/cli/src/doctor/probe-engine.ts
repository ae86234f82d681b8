import { type BackendName, createBackend, EngineUnavailableError } from '@unfold/kernels';
import { messageOf } from '../command-error.ts';

/** What an engine is on this machine, or why it is not there. */
export type EngineReport =
  | { works: true; description: string }
  | { works: false; problem: string; remedy: string | null };

const probe = async (name: BackendName): Promise<EngineReport> => {
  try {
    const backend = await createBackend(name, { threads: 1 });
    const { engine, device, emulated } = backend.describe();
    backend.close();
    return { works: true, description: `${engine} on ${device}${emulated ? ', emulated' : ''}` };
  } catch (error) {
    if (!(error instanceof EngineUnavailableError))
      return { works: false, problem: messageOf(error), remedy: null };
    const { problem, remedy } = error;
    return { works: false, problem, remedy };
  }
};

// A process of its own: drivers of GPUs write what they like to stderr, and a broken one takes its process with it.
const report = await probe(process.argv[2] as BackendName);
process.stdout.write(JSON.stringify(report), () => process.exit(0));
