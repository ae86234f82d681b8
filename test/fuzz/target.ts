import { errorEnvelope } from '@unfold/contracts';
import { expect } from 'vitest';
import { type Api, sampleText, smallSpec, startApi, upload } from '../api/support.ts';
import { publish, type TrainedWeights, trainWeights } from '../api/trained-model.ts';
import type { Document } from './document.ts';
import { type Existing, resolve } from './placeholders.ts';
import type { Plan } from './requests.ts';
import type { World } from './schema-values.ts';
import { type Answer, send } from './send.ts';
import { openTableContents } from './table-contents.ts';

const adminKey = 'an-admin-key-that-fuzzing-knows';
const authorization = `Bearer ${adminKey}`;

/** How often each route answered with which status. */
export type Counts = Map<string, Map<string, number>>;

export interface Target {
  api: Api;
  document: Document;
  world: World;
  counts: Counts;
  count(route: string, outcome: string): void;
  existing(): Existing;
  /** Sends a request and holds the answer against what is promised to every request. */
  attack(route: string, plan: Plan): Promise<void>;
  /** Takes what the tables hold now for what they should. */
  look(): Promise<void>;
  /** Throws if a row of any table changed since the last look. */
  expectUnchanged(what: string): Promise<void>;
  headers: { authorization: string };
  stop(): Promise<void>;
}

const labelled = ['Rossi', 'Russo', 'Bauer', 'Weber']
  .map((input, k) => JSON.stringify({ input, label: k < 2 ? 'Italian' : 'German' }))
  .join('\n');

/** What the models answer does not matter here. */
const brief = {
  model: { cell: 'gru', hidden_size: 4, num_layers: 1 },
  training: { max_steps: 1, batch_size: 2, sequence_length: 16 },
} as const;

const isRefused = ({ status }: Answer): boolean => status >= 400;

/** Answers by which a client is told to come back. */
const busy = new Set([429, 503]);

const expectEnvelope = ({ status, headers, body }: Answer, method: string): void => {
  // An answer to HEAD has no body, whatever its headers say.
  if (method === 'HEAD') return;
  expect(headers['content-type'], `a ${status} in the envelope`).toMatch(/^application\/json/);
  const parsed = errorEnvelope.strict().parse(JSON.parse(body.toString('utf8')));
  expect(parsed.error.message, 'a message that says what was wrong').not.toBe('');
  expect(parsed.error.request_id).toBe(headers['x-request-id']);
};

/** A server with something of everything in it, and eyes on its tables. */
export const openTarget = async (): Promise<Target> => {
  const api = await startApi({
    // Nothing is delivered: attempts change rows whenever they like.
    config: { adminKey, webhooks: { privateHosts: [], attempts: 10, concurrency: 0, logDays: 30 } },
    limits: { queueDepth: 60, requestsPerMinute: 10_000_000, uploadBytes: 200_000 },
    // The reconciler and the wake-ups write nothing into tables; their rhythm only costs. What sweeps rows away waits.
    timings: { headsMs: 1000, reconcileMs: 3_600_000 },
  });
  const contents = await openTableContents(api.database.databaseUrl);
  const request = api.request;
  const authorized = { post: (path: string) => request.post(path).set({ authorization }) };
  const trained: [TrainedWeights, string][] = [
    [await trainWeights(sampleText, brief), 'writer'],
    [await trainWeights(labelled, { ...brief, task: 'classification' }), 'languages'],
  ];

  const seed = async (): Promise<void> => {
    for (const [weights, name] of trained) await publish(api, weights, name);
    const file = await upload({ request: authorized as never }, sampleText);
    await upload({ request: authorized as never }, labelled);
    for (const action of [null, 'pause', 'cancel']) {
      const { body } = await authorized.post('/v1/jobs').send(smallSpec(file));
      if (action !== null) await authorized.post(`/v1/jobs/${body.id}/${action}`).send({});
    }
    const { body } = await authorized.post('/v1/sessions').send({ model: 'writer' });
    await authorized.post(`/v1/sessions/${body.id}/snapshots`).send({});
    const hook = { url: 'https://example.org/hooks', events: ['fine_tuning.job.failed'] };
    const endpoint = await authorized.post('/v1/webhook_endpoints').send(hook);
    await authorized.post(`/v1/webhook_endpoints/${endpoint.body.id}/test`).send({});
  };
  await seed();
  const served = await request.get('/openapi.json').set({ authorization });
  expect(served.status, served.text).toBe(200);
  const document = served.body as Document;
  let existing = await contents.existing();
  let rows = await contents.read();
  const counts: Counts = new Map();

  const look = async (): Promise<void> => {
    existing = await contents.existing();
    const isBare = ['files', 'jobs', 'models', 'sessions', 'webhook_deliveries'].some(
      (table) => (existing.get(table) ?? []).length === 0,
    );
    if (isBare) {
      await seed();
      existing = await contents.existing();
    }
    rows = await contents.read();
  };
  const expectUnchanged = async (what: string): Promise<void> => {
    const now = await contents.read();
    const changed = Object.keys(now).filter((table) => now[table] !== rows[table]);
    rows = now;
    expect(changed, `tables that changed with ${what}`).toEqual([]);
  };
  const count = (route: string, outcome: string): void => {
    const outcomes = counts.get(route) ?? new Map<string, number>();
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    counts.set(route, outcomes);
  };

  return {
    api,
    document,
    world: { schemas: document.components.schemas, tables: contents.tables },
    counts,
    count,
    existing: () => existing,
    async attack(route, plan) {
      const body = typeof plan.body === 'string' ? resolve(plan.body, existing) : plan.body;
      const path = resolve(plan.path, existing);
      const answer = await send(new URL(api.url), { ...plan, path, body }, authorization);
      if (answer === null) return count(route, 'unsendable');
      count(route, String(answer.status));
      expect(answer.status, answer.body.toString('utf8').slice(0, 1000)).toBeLessThan(500);
      if (!isRefused(answer)) return plan.method === 'GET' ? undefined : look();
      expectEnvelope(answer, plan.method);
      if (busy.has(answer.status)) expect(answer.headers).toHaveProperty('retry-after');
      await expectUnchanged(`the refused ${plan.method} ${path.slice(0, 200)}`);
    },
    look,
    expectUnchanged,
    headers: { authorization },
    async stop() {
      await contents.close();
      await api.stop();
    },
  };
};
