import { openStore } from '@unfold/store';

// Writes an artifact as large as asked, without end if the size is negative, and prints what came of it.
const [databaseUrl, artifactsDir, size] = process.argv.slice(2);
const store = await openStore({ databaseUrl, artifactsDir, migrate: false });
async function* bytes() {
  for (let left = Number(size); left !== 0; left -= 1) {
    yield new Uint8Array(1024);
    if (left < 0) await new Promise(setImmediate);
  }
}
process.stdout.write('writing\n');
await store.artifacts.write('jobs/a/b/c', bytes()).then(
  (written) => process.stdout.write(JSON.stringify(written)),
  (error) => process.stdout.write(JSON.stringify({ code: error.code })),
);
await store.close();
