import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Lab, nonsense, openLab, smallSpec } from './lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await openLab('PostgreSQL');
});
afterAll(() => lab.close());

it('a worker tells Prometheus what it trained and how soon it took it, on the port that it is given and no other', async () => {
  const worker = await lab.startWorker({ UNFOLD_METRICS_PORT: '0' });
  const port = Number(/"port":(\d+).*Prometheus/.exec(worker.output())?.[1]);
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const numberOf = (text: string, name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1),
    );

  const before = await (await ask('/metrics')).text();
  expect(numberOf(before, 'unfold_worker_busy')).toBe(0);
  const file = await lab.upload(nonsense(2000));
  const { id } = await lab.submit(smallSpec(file));
  const { progress } = await lab.reaches(id, 'succeeded');
  const text = await (await ask('/metrics')).text();
  expect(numberOf(text, 'unfold_worker_steps_total')).toBe(progress.step);
  expect(numberOf(text, 'unfold_worker_tokens_total')).toBe(progress.tokens);
  expect(numberOf(text, 'unfold_worker_pick_up_seconds_count')).toBe(1);
  expect(numberOf(text, 'unfold_worker_pick_up_seconds_sum')).toBeGreaterThan(0);
  expect(numberOf(text, 'unfold_worker_checkpoints_total')).toBeGreaterThan(0);
  expect(text).not.toContain(id);
  expect((await ask('/')).status).toBe(404);
});
