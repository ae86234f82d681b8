// npm run fuzz -- --runs N --seed S: the property-based test of test/fuzz with many requests, and what came of them.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '10000' }, seed: { type: 'string' } },
});
const whole = (name, text) => {
  if (/^\d{1,9}$/.test(text)) return text;
  console.error(`--${name}: expected a whole number, but received ${JSON.stringify(text)}.`);
  process.exit(2);
};
const seed = whole('seed', values.seed ?? String(Date.now() % 1_000_000));
console.log(`${whole('runs', values.runs)} requests with seed ${seed}`);
const { status } = spawnSync('npx', ['vitest', 'run', 'test/fuzz'], {
  stdio: 'inherit',
  env: { ...process.env, UNFOLD_TEST_FUZZ_RUNS: values.runs, UNFOLD_TEST_FUZZ_SEED: seed },
});
process.exit(status ?? 1);
