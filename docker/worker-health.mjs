// The health check of a worker's container, which listens on no port: its process runs (neither stopped nor a zombie),
// and the servers that it needs accept connections. Exits with 0, or with 1 and a line that says what is wrong.
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';

const program = process.argv[2] ?? 'apps/worker/dist/main.js';

const readOr = (path, fallback) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
};

/** The letter that Linux gives a process's state, or undefined when there is no such process. */
const stateOfWorker = () => {
  for (const pid of readdirSync('/proc').filter(
    (entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid,
  )) {
    const [executable = '', script = ''] = readOr(`/proc/${pid}/cmdline`, '').split('\0');
    if (!/(^|\/)node$/.test(executable) || !script.endsWith(program)) continue;
    return readOr(`/proc/${pid}/stat`, '').match(/\) (\w)/)?.[1];
  }
  return undefined;
};

const accepts = (name, defaultPort) => {
  const file = process.env[`${name}_FILE`];
  const address = (process.env[name] || (file ? readOr(file, '') : '')).trim();
  if (address === '') return Promise.resolve();
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port) || defaultPort, hostname.replace(/^\[|\]$/g, ''));
    socket.once('connect', () => resolve(socket.destroy()));
    socket.once('error', (error) => reject(new Error(`${name} does not answer: ${error.message}`)));
  });
};

try {
  const state = stateOfWorker();
  if (state === undefined) throw new Error('no worker runs');
  if (/[TtZX]/.test(state)) throw new Error(`the worker does not run: its state is ${state}`);
  await accepts('DATABASE_URL', 5432);
  await accepts('REDIS_URL', 6379);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
