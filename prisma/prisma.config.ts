import { defineConfig } from 'prisma/config';

/** For Prisma's own commands. The running service gets its database from the configuration, not from here. */
export default defineConfig({
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
  ...(process.env.DATABASE_URL ? { datasource: { url: process.env.DATABASE_URL } } : {}),
});
