import { startEmbeddedPostgres } from '@unfold/store';

const { databaseUrl, pid } = await startEmbeddedPostgres({ dataDir: process.argv[2] });
process.stdout.write(JSON.stringify({ databaseUrl, pid }));
