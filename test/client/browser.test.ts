import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Unfold } from '@unfold/client';
import type { Browser, Page } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, append, claim, metric, sampleText, smallSpec, startApi } from '../api/support.ts';
import { missing, openBrowser, openWindow } from '../dashboard/browser.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { root, waitFor } from '../support/process.ts';

const adminKey = 'a-key-that-a-page-shows';

/** What the test puts into the page. */
interface InPage {
  Unfold: typeof Unfold;
  seen: { seqs: number[]; states: string[]; ended: boolean };
}

/** The client as a page would load it. */
const bundle = async (): Promise<Rolldown.OutputChunk> => {
  const [built] = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: join(root, 'packages/client/dist/index.js'), formats: ['es'], fileName: 'client' },
    },
  })) as Rolldown.RolldownOutput[];
  return built?.output[0] as Rolldown.OutputChunk;
};

describe.skipIf(missing !== null)(missing ?? 'the client in a browser', () => {
  let api: Api;
  let way: Gateway;
  let browser: Browser;
  let page: Page;
  let chunk: Rolldown.OutputChunk;

  beforeAll(async () => {
    [api, browser, chunk] = await Promise.all([startApi({ config: { adminKey } }), openBrowser(), bundle()]);
    way = await openGateway(() => Number(new URL(api.url).port));
    page = (await openWindow(browser)).page;
    await page.route('**/client.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: chunk.code }),
    );
    // A page that really came from there: browsers do not let others reach this machine.
    await page.goto(`http://127.0.0.1:${way.port}/`);
    // As text, since the test runner would rewrite an import of its own.
    await page.evaluate("import('/client.js').then((client) => { globalThis.Unfold = client.Unfold; })");
  });
  afterAll(async () => {
    await browser?.close();
    await way?.close();
    await api?.stop();
  });

  it('is small, and holds neither schemas nor the sockets of Node', () => {
    expect(chunk.moduleIds.filter((id) => /node_modules\/(zod|ws)\/|contracts/.test(id))).toEqual([]);
    expect(gzipSync(chunk.code).length).toBeLessThan(15_000);
  });

  it('uploads with progress, and follows a job over a cut with a key, every frame once', async () => {
    const uploaded = await page.evaluate(
      async ({ text, apiKey }) => {
        const { Unfold } = globalThis as unknown as InPage;
        const unfold = new Unfold({ baseUrl: '', apiKey });
        const seen: number[] = [];
        const content = new Blob([text.repeat(2000)]);
        const file = await unfold.files.upload(content, {
          filename: 'cats.txt',
          onProgress: (sent) => seen.push(sent),
        });
        const refused = await new Unfold({ baseUrl: '', apiKey: 'another-key-than-that' }).files
          .upload(content, { filename: 'x', onProgress: () => {} })
          .catch((error) => error.code as string);
        return { file, seen, refused, size: content.size };
      },
      { text: sampleText, apiKey: adminKey },
    );
    expect(uploaded.file).toMatchObject({ bytes: uploaded.size, filename: 'cats.txt' });
    expect(uploaded.seen.at(-1)).toBe(uploaded.size);
    expect(uploaded.refused).toBe('invalid_api_key');

    const posted = await page.evaluate(
      async ({ spec, apiKey }) => {
        const { Unfold } = globalThis as unknown as InPage;
        const unfold = new Unfold({ baseUrl: '', apiKey });
        const job = await unfold.jobs.create(spec);
        const seen: { seqs: number[]; states: string[]; ended: boolean } = {
          seqs: [],
          states: [],
          ended: false,
        };
        Object.assign(globalThis, { seen });
        void (async () => {
          const frames = unfold.jobs.follow(job.id, { onConnection: (state) => seen.states.push(state) });
          for await (const { seq } of frames) seen.seqs.push(seq);
          seen.ended = true;
        })();
        return job.id;
      },
      { spec: smallSpec(uploaded.file.id), apiKey: adminKey },
    );
    const seen = () => page.evaluate(() => (globalThis as unknown as InPage).seen);
    const owner = await claim(api, posted);
    const steps = (first: number) => Array.from({ length: 50 }, (_, index) => metric(first + index));
    await append(api, owner, steps(1));
    await waitFor('the first frames', async () => (await seen()).seqs.length > 50);
    await way.cut();
    await append(api, owner, steps(51));
    await waitFor('the page to notice', async () => (await seen()).states.includes('lost'));
    await way.mend();
    await waitFor('what was missed', async () => (await seen()).seqs.length > 100);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    await waitFor('the end', async () => (await seen()).ended);
    const { seqs } = await seen();
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });
});
