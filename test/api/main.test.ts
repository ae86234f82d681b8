import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WebhookDeliveryResource } from '@unfold/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { freePort, root, startProgram, waitFor } from '../support/process.ts';
import { openReceiver, unwrap } from '../support/receiver.ts';
import { openSocket } from './socket-client.ts';

let database: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  database = await withDatabase({ migrated: false });
  dataDir = await mkdtemp(join(tmpdir(), 'unfold-main-'));
});
afterAll(async () => {
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

const start = (env: Record<string, string>) =>
  startProgram('apps/api/dist/main.js', {
    env: { UNFOLD_DATA_DIR: dataDir, DATABASE_URL: database.databaseUrl, ...env },
  });

it('migrates, serves, and on SIGTERM closes sockets with 1001 and ends with 0', async () => {
  const port = await freePort();
  const program = start({ PORT: String(port) });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    'the API to be ready',
    async () => (await fetch(`${url}/ready`).catch(() => null))?.ok ?? false,
  );
  const socket = await openSocket(url, '/v1/stream');
  await socket.until('the snapshot', () => socket.messages.length === 1);
  const events = fetch(`${url}/v1/jobs/job-${'0'.repeat(32)}?wait=60`);
  expect((await events).status).toBe(404);
  await program.stop();
  expect((await socket.closed).code).toBe(1001);
  expect(await program.ended).toBe(0);
});

it('delivers webhooks over HTTPS to whom NODE_EXTRA_CA_CERTS trusts, and to nobody else', async () => {
  const certificate = join(root, 'test/api/fixtures/receiver-certificate.pem');
  const receiver = await openReceiver({
    key: await readFile(join(root, 'test/api/fixtures/receiver-key.pem'), 'utf8'),
    cert: await readFile(certificate, 'utf8'),
  });
  /** How the first attempt of a test delivery ended, by an API process in this environment. */
  const attempted = async (env: Record<string, string>) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/v1/webhook_endpoints`;
    const program = start({ PORT: String(port), UNFOLD_WEBHOOK_PRIVATE_HOSTS: '127.0.0.1', ...env });
    const post = async (path: string, body: object = {}) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await answer.json()) as { id: string; secret: string };
    };
    try {
      await waitFor('the API', () => fetch(url).catch(() => null));
      const { id, secret } = await post('', { url: receiver.url, events: ['fine_tuning.job.failed'] });
      await post(`/${id}/test`);
      const [delivery] = await waitFor('the attempt', async () => {
        const answer = await fetch(`${url}/${id}/deliveries`);
        const { data } = (await answer.json()) as { data: WebhookDeliveryResource[] };
        return (data[0]!.response_status ?? data[0]!.error) !== null && data;
      });
      await fetch(`${url}/${id}`, { method: 'DELETE' });
      return { delivery: delivery!, secret };
    } finally {
      await program.stop();
    }
  };
  try {
    const { delivery, secret } = await attempted({ NODE_EXTRA_CA_CERTS: certificate });
    expect(delivery).toMatchObject({ status: 'delivered', response_status: 200, error: null });
    expect(await unwrap(receiver.received[0]!, secret)).toEqual(delivery.event);
    const refused = await attempted({});
    expect(refused.delivery).toMatchObject({ status: 'pending', response_status: null });
    expect(refused.delivery.error).toMatch(/self-signed certificate/);
    expect(receiver.received).toHaveLength(1);
  } finally {
    await receiver.close();
  }
});

it('says in one line why it cannot start', async () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: 'x' }, /PORT: expected an integer/],
    [{ HOST: '0.0.0.0' }, /UNFOLD_ADMIN_KEY/],
    [{ DATABASE_URL: '' }, /DATABASE_URL is not set/],
  ];
  for (const [env, expected] of cases) {
    const program = start({ PORT: '0', ...env });
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(expected);
  }
});
