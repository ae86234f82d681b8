import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    postgresFolder: string;
    scratchFolder: string;
  }
}

/**
 * Names two folders of the run, and removes them at its end: that of its one PostgreSQL, which the first test that needs
 * it starts, and one for whatever tests write.
 */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-postgres-'));
  // Root's server runs as another user, who must get in.
  await chmod(folder, 0o755);
  project.provide('postgresFolder', folder);
  const scratch = await mkdtemp(join(tmpdir(), 'unfold-scratch-'));
  project.provide('scratchFolder', scratch);
  return async () => {
    const started = await stat(join(folder, 'postgres', 'cluster.json')).catch(() => null);
    if (started) {
      // Loaded only where a test used it: most runs need no database.
      const { startEmbeddedPostgres } = await import('@unfold/store');
      await (await startEmbeddedPostgres({ dataDir: folder })).stop();
    }
    await Promise.all([folder, scratch].map((path) => rm(path, { recursive: true, force: true })));
  };
};
