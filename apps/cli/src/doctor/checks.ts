import { execFile } from 'node:child_process';
import { access, constants, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Config } from '@unfold/config';
import { engineNames } from '@unfold/contracts';
import { availableProcessors } from '@unfold/kernels';
import { checkRedis } from '@unfold/queue';
import { findEmbeddedVersion, inspectDatabase } from '@unfold/store';
import { messageOf } from '../command-error.ts';
import { tryPort } from '../ports.ts';
import { findUp, type UpRecord } from '../up-file.ts';
import type { EngineReport } from './probe-engine.ts';

/** What a check found: `note` is what Unfold does without, `problem` what it cannot do without. */
export interface Finding {
  check: string;
  status: 'good' | 'note' | 'problem';
  detail: string;
  remedy: string | null;
}

const good = (check: string, detail: string): Finding => ({ check, status: 'good', detail, remedy: null });
const note = (check: string, detail: string, remedy: string | null = null): Finding => ({
  check,
  status: 'note',
  detail,
  remedy,
});
const problem = (check: string, detail: string, remedy: string | null = null): Finding => ({
  check,
  status: 'problem',
  detail,
  remedy,
});

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const oldestNode = [20, 19] as const;

const checkNode = (): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isOldEnough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  return isOldEnough
    ? good('Node', process.version)
    : problem('Node', process.version, `Install Node ${oldestNode.join('.')} or newer.`);
};

const checkProcessor = (): Finding => {
  const model = cpus()[0]?.model.trim() || process.arch;
  return good('Processor', `${model}: ${availableProcessors()} usable, ${gibibytes(totalmem())} of memory`);
};

const probe = fileURLToPath(new URL('./probe-engine.js', import.meta.url));
const probeMs = 60_000;

const probeEngine = async (name: string): Promise<EngineReport> => {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [probe, name], { timeout: probeMs });
    return JSON.parse(stdout) as EngineReport;
  } catch (error) {
    const { signal, code, stderr = '' } = error as { signal?: string; code?: number; stderr?: string };
    const last = stderr.trim().split('\n').at(-1);
    const how = signal ? `was ended by ${signal}` : `ended with ${code}`;
    return {
      works: false,
      problem: `The process that tried it ${how}${last ? `: ${last}` : '.'}`,
      remedy: null,
    };
  }
};

/** An engine that jobs take by themselves is missed; another is only told of. */
const checkEngine =
  (name: (typeof engineNames)[number]) =>
  async ({ engine }: Config): Promise<Finding> => {
    const check = `Engine ${name}`;
    const report = await probeEngine(name);
    if (report.works) return good(check, report.description);
    return (name === engine ? problem : note)(check, report.problem, report.remedy);
  };

const leastRoom = 2 ** 30;

const checkFolder = async ({ dataDir }: Config): Promise<Finding> => {
  const check = 'Data folder';
  // It is made at the first start, below what there is already.
  for (let folder = dataDir; ; folder = dirname(folder)) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      const { bavail, bsize } = await statfs(folder);
      const detail = `${dataDir}: ${gibibytes(bavail * bsize)} free`;
      return bavail * bsize < leastRoom
        ? note(check, detail, 'Runs fail when the disk is full: make room.')
        : good(check, detail);
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing || dirname(folder) === folder)
        return problem(check, messageOf(error), 'Choose another with UNFOLD_DATA_DIR.');
    }
  }
};

const checkRunning = async ({ url, pid }: UpRecord): Promise<Finding> => {
  const check = 'Service';
  if (url === null) return note(check, `pid ${pid} is starting it`);
  const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5000) });
  const body = (await answer.json()) as { error?: { message: string } };
  return answer.ok
    ? good(check, `runs at ${url}`)
    : problem(check, `runs at ${url}, but: ${body.error?.message}`);
};

const checkService = async ({ dataDir, host, port }: Config): Promise<Finding> => {
  const check = 'Service';
  try {
    const running = await findUp(dataDir);
    if (running !== null) return await checkRunning(running);
    return (await tryPort(host, port)) === null
      ? problem(check, `port ${port} on ${host} is in use`, 'Set PORT to a free one; 0 takes any.')
      : good(
          check,
          `not running here; it would listen on ${host}, ${port === 0 ? 'any port' : `port ${port}`}`,
        );
  } catch (error) {
    return problem(check, messageOf(error));
  }
};

const checkDatabase = async ({ databaseUrl }: Config): Promise<Finding> => {
  const check = 'PostgreSQL';
  try {
    if (databaseUrl === null) return good(check, `embedded, ${await findEmbeddedVersion()}`);
    const { version, pending } = await inspectDatabase(databaseUrl);
    const outlook = pending.length === 0 ? '' : `; the next start applies ${pending.length} migrations`;
    return good(check, `${version} at DATABASE_URL${outlook}`);
  } catch (error) {
    return problem(check, messageOf(error), databaseUrl && 'See whether DATABASE_URL is right.');
  }
};

const checkQueue = async ({ redisUrl }: Config): Promise<Finding> => {
  const check = 'Queue';
  if (redisUrl === null) return good(check, 'in PostgreSQL');
  try {
    const warnings: string[] = [];
    await checkRedis(redisUrl, (_level, message) => warnings.push(message));
    return warnings.length === 0
      ? good(check, 'Redis at REDIS_URL')
      : note(check, 'Redis at REDIS_URL', warnings.join('; '));
  } catch (error) {
    return problem(check, `Redis: ${messageOf(error)}`, 'See whether REDIS_URL is right.');
  }
};

/** Everything that is looked at, in the order in which it is told. None of it changes anything. */
export const checks: readonly ((config: Config) => Finding | Promise<Finding>)[] = [
  checkNode,
  checkProcessor,
  ...engineNames.map(checkEngine),
  checkFolder,
  checkDatabase,
  checkQueue,
  checkService,
];

/** What is wrong with the environment, when nothing else can be looked at. */
export const configurationProblem = (error: Error): Finding => problem('Configuration', error.message);
