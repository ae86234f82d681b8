// Makes a clone ready to run: installs packages when the lockfile changed, generates the database client when the
// schema changed, compiles the native kernels when they changed, builds what changed, the page among it. It runs from a fresh clone with Node alone, so it imports nothing but Node and its neighbour.
// Progress goes to stderr; when nothing changed it says nothing and takes about a second.
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isInstalled } from './installed-packages.mjs';

const lowest = [20, 19];
const root = fileURLToPath(new URL('../../..', import.meta.url));
const inRoot = (...parts) => join(root, ...parts);
const say = (line) => process.stderr.write(`unfold: ${line}\n`);

/** A failure whose message is all that a reader needs. */
class BootstrapError extends Error {}

const checkNode = () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > lowest[0] || (major === lowest[0] && minor >= lowest[1])) return;
  throw new BootstrapError(
    `Node ${lowest.join('.')} or newer is needed, but this is ${process.versions.node}. Get one at https://nodejs.org.`,
  );
};

const hashOf = (paths, ...more) => {
  const hash = createHash('sha256').update(JSON.stringify(more));
  for (const path of paths) hash.update(readFileSync(inRoot(path)));
  return hash.digest('hex');
};

const readOr = (path, fallback) => readFile(path, 'utf8').catch(() => fallback);

let child = null;

/** Runs a program to its end with its output on stderr; `quiet` shows the output only if it fails. */
const run = async (command, args, { env = {}, quiet = false } = {}) => {
  let output = '';
  child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2],
  });
  if (quiet) {
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  }
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child = null;
  if (code === 0) return;
  process.stderr.write(output);
  throw new BootstrapError(`\`${[command, ...args].join(' ')}\` failed with ${code}.`);
};

// ---------------------------------------------------------------- one at a time

// Beside node_modules, not in it: `npm ci` removes that folder.
const lockFolder = inRoot('.bootstrap.lock');
const lockStaleMs = 15_000;
const token = randomUUID();
const ownerFile = join(lockFolder, 'owner');

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** The holder's pid, or null when the lock is nobody's any more: it is touched every second while it is held. */
const holder = async () => {
  const touched = await stat(lockFolder).catch(() => null);
  if (!touched) return null;
  const pid = Number((await readOr(ownerFile, '')).split(' ')[0]);
  if (Date.now() - touched.mtimeMs > lockStaleMs) return null;
  return pid === 0 || isAlive(pid) ? pid : null;
};

const acquireLock = async () => {
  let told = false;
  for (;;) {
    try {
      await mkdir(lockFolder);
      await writeFile(ownerFile, `${process.pid} ${token}`);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
    }
    const pid = await holder();
    if (pid === null) {
      // Of several that find a dead lock only one can rename it away.
      const grave = `${lockFolder}.${token}`;
      await rename(lockFolder, grave).catch(() => {});
      await rm(grave, { recursive: true, force: true });
      continue;
    }
    if (!told) say(`another process (pid ${pid || 'unknown'}) is preparing this clone, waiting for it …`);
    told = true;
    await wait(200);
  }
};

const underLock = async (work) => {
  await acquireLock();
  const touch = setInterval(() => utimes(lockFolder, new Date(), new Date()).catch(() => {}), 1000);
  const release = () => rm(lockFolder, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      child?.kill(signal);
      await release();
      process.exit(130);
    });
  }
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await release();
  }
};

// ---------------------------------------------------------------- the five steps

const installed = inRoot('node_modules', '.unfold-installed');
const generated = inRoot('node_modules', '.unfold-generated');
const client = inRoot('packages/store/src/generated');

const installHash = () =>
  hashOf(['package-lock.json'], process.versions.modules, process.platform, process.arch);
// The lockfile counts too: another version of Prisma generates another client.
const generateHash = () => hashOf(['prisma/schema.prisma', 'package-lock.json']);

const isWritable = (folder) => {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** npm and Prisma write below the home folder; where there is none to write to, a temporary one serves them. */
const home = () => {
  if (process.env.HOME !== '' && isWritable(homedir())) return {};
  return { HOME: mkdtempSync(join(tmpdir(), 'unfold-home-')) };
};

const install = async () => {
  const wanted = installHash();
  const before = await readOr(installed, null);
  if (before === wanted) return;
  // `npm ci` removes our note with the folder: whoever ran it has done this step.
  if (before === null && isInstalled(root)) return writeFile(installed, wanted);
  say('installing packages (a minute or so, once) …');
  // Under `npm run` this is the npm that runs us, whichever version it is.
  const cli = process.env.npm_execpath;
  const [command, ...words] = cli && /\.c?js$/.test(cli) ? [process.execPath, cli] : ['npm'];
  // The build needs the development packages, whatever NODE_ENV says.
  const flags = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  await run(command, [...words, 'ci', ...flags], { env: home(), quiet: true });
  await writeFile(installed, wanted);
};

const generate = async () => {
  const wanted = generateHash();
  if ((await readOr(generated, '')) === wanted && existsSync(client)) return;
  say('generating the database client …');
  const prisma = inRoot('node_modules/prisma/build/index.js');
  // Generating needs no engine, but Prisma insists on finding one, and would download it.
  const env = {
    ...home(),
    PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  };
  await run(process.execPath, [prisma, 'generate', '--config', 'prisma/prisma.config.ts'], {
    env,
    quiet: true,
  });
  await writeFile(generated, wanted);
};

const build = async () => {
  if (!existsSync(inRoot('apps/cli/dist/main.js'))) say('building …');
  const compiler = realpathSync(inRoot('node_modules/.bin/tsc'));
  await run(process.execPath, [compiler, '-b'], { quiet: true });
};

/** Compiles the native kernels again when their sources changed. Where that cannot be, the service says so when it starts. */
const buildKernels = () =>
  run(process.execPath, ['packages/kernels/scripts/build-native.mjs', '--if-possible'], { quiet: true });

const page = inRoot('apps/dashboard/dist/page');
const pageBuilt = inRoot('apps/dashboard/dist/.page-built');

/** All files below a folder, in the same order everywhere. */
const filesBelow = (folder) =>
  readdirSync(inRoot(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length))
    .sort();

/** What the page is made of. Of other rooms that is the client alone: contracts give it nothing but types. */
const pageHash = () =>
  hashOf([
    'package-lock.json',
    'apps/dashboard/index.html',
    'apps/dashboard/vite.config.ts',
    ...['src', 'public', 'scripts'].flatMap((folder) => filesBelow(`apps/dashboard/${folder}`)),
    ...(existsSync(inRoot('packages/client/src')) ? filesBelow('packages/client/src') : []),
  ]);

/** Bundles the page when something in it changed: a second or two. */
const buildPage = async () => {
  const wanted = pageHash();
  if ((await readOr(pageBuilt, '')) === wanted && existsSync(join(page, 'index.html'))) return;
  say('building the page …');
  const vite = inRoot('node_modules/vite/bin/vite.js');
  await run(process.execPath, [vite, 'build', '--config', 'apps/dashboard/vite.config.ts'], { quiet: true });
  await writeFile(pageBuilt, wanted);
};

try {
  checkNode();
  await underLock(async () => {
    await install();
    await generate();
    await buildKernels();
    await build();
    await buildPage();
  });
} catch (error) {
  say(error instanceof BootstrapError ? error.message : error.stack);
  process.exitCode = 1;
}
