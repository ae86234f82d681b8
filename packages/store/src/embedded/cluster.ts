import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { access, chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { type RunAs, run, succeeds } from './run.ts';

/** Where root keeps what the system user `postgres` must reach. */
export const systemFolder = '/var/lib/unfold-postgres';

/** One database cluster. */
export interface Cluster {
  data: string;
  user: string;
  password: string;
  /** Whom its files belong to, if that is not who we are. */
  owner: RunAs | null;
}

/** What `cluster.json` (mode 0600) in the folder `postgres` of the data folder says. */
interface Description {
  /** Also written into the cluster's own folder: both must agree, or the cluster is another data folder's. */
  id: string;
  /** Where the cluster is, or null if in the data folder, which may be renamed. */
  place: string | null;
  user: string;
  password: string;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const reaches = (as: RunAs, folder: string): Promise<boolean> =>
  succeeds('/bin/sh', ['-c', 'test -x "$1"', 'sh', folder], as);

const inside = (home: string): string => join(home, 'cluster');

/** The data folder itself where the server's user can reach it, else a folder under /var/lib. */
const placeFor = async (home: string, as: RunAs | null, log: (message: string) => void): Promise<string> => {
  if (!as || (await reaches(as, home))) return inside(home);
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const place = join(systemFolder, name);
  log(`The user "${as.name}" cannot reach ${home}: the database lives in ${place}.`);
  return place;
};

const describe = (home: string, description: Description, owner: RunAs | null): Cluster => ({
  data: join(description.place ?? inside(home), 'data'),
  user: description.user,
  password: description.password,
  owner,
});

const ownerOf = async (data: string): Promise<RunAs | null> => {
  const { uid, gid } = await stat(data);
  return process.getuid?.() === 0 && uid !== 0 ? { uid, gid, name: `uid ${uid}` } : null;
};

/** The cluster that a data folder has, or null if it has none that is complete. */
export const readCluster = async (home: string): Promise<Cluster | null> => {
  const path = join(home, 'cluster.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new Error(`The database in ${home} belongs to another user: ${path} cannot be read.`, {
      cause: error,
    });
  });
  if (text === null) return null;
  const description = JSON.parse(text) as Description;
  const place = description.place ?? inside(home);
  const id = await readFile(join(place, 'id'), 'utf8').catch(() => null);
  if (id !== description.id || !(await exists(join(place, 'data', 'PG_VERSION')))) return null;
  return describe(home, description, await ownerOf(join(place, 'data')));
};

const initialise = async (
  binaries: Binaries,
  place: string,
  as: RunAs | null,
): Promise<Omit<Description, 'place'>> => {
  const made = { id: randomUUID(), user: 'unfold', password: randomBytes(24).toString('base64url') };
  const data = join(place, 'data');
  const passwordFile = join(place, 'password');
  await mkdir(place, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, made.password, { mode: 0o600 });
  if (as) for (const path of [place, passwordFile]) await chown(path, as.uid, as.gid);
  const { code, output } = await run(
    binaries.initdb,
    [
      `--pgdata=${data}`,
      `--username=${made.user}`,
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--auth=scram-sha-256',
      '--no-instructions',
    ],
    as,
  );
  await rm(passwordFile, { force: true });
  if (code !== 0) throw new Error(`initdb failed in ${data}:\n${output.trim()}`);
  await writeFile(join(place, 'id'), made.id, { mode: 0o600 });
  return made;
};

/**
 * Makes the cluster of a data folder that has none. `cluster.json` is written last, so that a start that was cut short
 * begins anew.
 * @param home the folder `postgres` of the data folder
 */
export const createCluster = async (
  home: string,
  binaries: Binaries,
  as: RunAs | null,
  log: (message: string) => void,
): Promise<Cluster> => {
  const place = await placeFor(home, as, log);
  if (await exists(place)) {
    // Its data folder was deleted, or initdb was killed. A stray server would write into what is moved away.
    await run(binaries.pg_ctl, ['stop', '-D', join(place, 'data'), '-m', 'immediate'], as);
    await rm(`${place}.previous`, { recursive: true, force: true });
    await rename(place, `${place}.previous`);
    log(`Moved a database without its data folder to ${place}.previous.`);
  }
  if (place.startsWith(systemFolder)) {
    await mkdir(systemFolder, { recursive: true });
    await chmod(systemFolder, 0o755);
  }
  const made = await initialise(binaries, place, as);
  const description: Description = { ...made, place: place === inside(home) ? null : place };
  const path = join(home, 'cluster.json');
  await writeFile(`${path}.new`, JSON.stringify(description, null, 2), { mode: 0o600 });
  await rename(`${path}.new`, path);
  return describe(home, description, as);
};
