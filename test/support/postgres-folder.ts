import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    postgresFolder: string;
  }
}

/** Names the folder of the run's one PostgreSQL, which the first test that needs it starts, and removes it at the end. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-postgres-'));
  // Root's server runs as another user, who must get in.
  await chmod(folder, 0o755);
  project.provide('postgresFolder', folder);
  return async () => {
    const started = await stat(join(folder, 'postgres', 'cluster.json')).catch(() => null);
    if (started) {
      // Loaded only where a test used it: most runs need no database.
      const { startEmbeddedPostgres } = await import('@unfold/store');
      await (await startEmbeddedPostgres({ dataDir: folder })).stop();
    }
    await rm(folder, { recursive: true, force: true });
  };
};
