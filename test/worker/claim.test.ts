import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/process.ts';
import { type Lab, nonsense, openLabAt, project, smallSpec } from './lab.ts';

let database: TestDatabase;
let lab: Lab;
beforeAll(async () => {
  database = await withDatabase();
  lab = await openLabAt({ databaseUrl: database.databaseUrl, redisUrl: null });
});
afterAll(async () => {
  await lab.close();
  await database.drop();
});

it('announces what became of a job whose claim ended it, so that its followers need not wait', async () => {
  const { id } = await lab.submit(smallSpec(await lab.upload(nonsense(200))));
  // A worker that died after it was asked to cancel: the next one to claim the job carries that out.
  await lab.store.jobs.claim(id, { worker: 'dead', engines: ['reference'] });
  await lab.store.jobs.request(project, id, 'cancel');
  await database.query(`UPDATE job_heads SET heartbeat_at = now() - interval '1 minute' WHERE job_id = $1`, [
    id,
  ]);
  const announced: number[] = [];
  const heard = lab.queue.onAnnounce(({ job_id, seq }) => void (job_id === id && announced.push(seq)));
  await heard.ready;
  await lab.startWorker();
  await lab.reaches(id, 'cancelled');
  const head = (await lab.frames(id)).at(-1)!.seq;
  await waitFor('the announcement of its last frame', () => announced.includes(head));
  heard();
  expect(await lab.job(id)).toMatchObject({ status: 'cancelled' });
});
