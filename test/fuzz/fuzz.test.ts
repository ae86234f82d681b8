import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goOnFromAlteredStates } from './altered-states.ts';
import { operationsOf } from './document.ts';
import { placeholder } from './placeholders.ts';
import { requestsOf } from './requests.ts';
import { conversations, converse } from './sockets.ts';
import { type Counts, openTarget, type Target } from './target.ts';

/** `npm run fuzz` sets both; without it, few runs, always the same. */
const runs = Number(process.env.UNFOLD_TEST_FUZZ_RUNS ?? 700);
const seed = Number(process.env.UNFOLD_TEST_FUZZ_SEED ?? 1);

/** In a bounded run every route is tried; in a long one the limit is the number of runs. */
const timeout = 60_000 + runs * 100;

let target: Target;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(async () => {
  if (process.env.UNFOLD_TEST_FUZZ_RUNS !== undefined) process.stdout.write(table(target.counts));
  await target.stop();
});

const table = (counts: Counts): string => {
  const lines = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([route, outcomes]) => {
      const total = [...outcomes.values()].reduce((sum, each) => sum + each, 0);
      const each = [...outcomes]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([outcome, times]) => `${outcome}: ${times}`);
      return `${route.padEnd(48)} ${String(total).padStart(6)}   ${each.join('  ')}`;
    });
  return `\n${lines.join('\n')}\n`;
};

const stillServes = async (): Promise<void> => {
  expect((await target.api.request.get('/ready')).status).toBe(200);
};

describe('whatever is asked', () => {
  it(
    'no route fails, hangs, changes a row of what it refuses, or refuses outside the envelope',
    async () => {
      const operations = operationsOf(target.document);
      const each = Math.max(2, Math.floor(runs / operations.length));
      for (const operation of operations) {
        const route = `${operation.method} ${operation.path}`;
        await fc.assert(
          fc.asyncProperty(requestsOf(operation, target.world), (plan) => target.attack(route, plan)),
          { seed, numRuns: each, ignoreEqualValues: true },
        );
        expect([...(target.counts.get(route) ?? [])].length, `${route} was asked`).toBeGreaterThan(0);
      }
      await stillServes();
    },
    timeout,
  );

  it(
    'no state of a session, however altered, fails or disturbs what others write',
    async () => {
      await goOnFromAlteredStates(target, { seed, numRuns: Math.max(20, Math.floor(runs / 10)) });
      await stillServes();
    },
    timeout,
  );

  it(
    'no socket fails, hangs, changes a row, or says what the contract does not know',
    async () => {
      const sockets = operationsOf(target.document).filter(({ socket }) => socket);
      const each = Math.max(2, Math.floor(runs / 10 / sockets.length));
      for (const { path } of sockets) {
        const named = path.replace(/\{\w+\}/, placeholder('jobs', 0));
        await fc.assert(
          fc.asyncProperty(conversations, (conversation) => converse(target, named, conversation)),
          { seed, numRuns: each },
        );
      }
      await stillServes();
    },
    timeout,
  );
});
