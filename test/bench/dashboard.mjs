// npm run bench:dashboard: how smoothly the page's curves move. See --help.

import { openStore } from '@unfold/store';
import { chromium } from 'playwright-core';
import { chromiumArguments, chromiumPath } from '../support/chromium.mjs';
import { describeMachine, format, median, table } from './measure.mjs';
import { jsonOption, kinds, readOptions } from './options.mjs';
import { startService } from './service/server.mjs';

const options = readOptions(
  'bench:dashboard',
  'A real service holds a run, a real Chromium shows it and pans and zooms all of its charts: milliseconds between the frames that it draws, and tasks that hold it up.',
  {
    points: { kind: kinds.whole(1_000_000), default: 100_000, help: 'of each of its five curves' },
    seconds: { kind: kinds.seconds, default: 5, help: 'for how long to pan, and to zoom' },
    ...jsonOption,
  },
);

const batch = 2000;

/** A run of so many points, appended as a worker appends them. */
async function fillRun({ env, url }) {
  const form = new FormData();
  form.set('purpose', 'training');
  form.set('file', new Blob(['the cat sat on the mat.\n'.repeat(200)]), 'text.txt');
  const json = async (answer) => (await answer).json();
  const file = await json(fetch(`${url}/v1/files`, { method: 'POST', body: form }));
  const spec = {
    file: file.id,
    name: 'long-run',
    model: { hidden_size: 8, num_layers: 1 },
    training: { max_steps: options.points, epochs: 100_000 },
  };
  const job = await json(
    fetch(`${url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    }),
  );
  const store = await openStore({
    databaseUrl: env.DATABASE_URL,
    artifactsDir: `${env.UNFOLD_DATA_DIR}/artifacts`,
    connections: 2,
    queueDepth: 1000,
    migrate: false,
  });
  try {
    const { claim } = await store.jobs.claim(job.id, { worker: 'bench', engines: ['native'] });
    for (let first = 1; first <= options.points; first += batch) {
      const count = Math.min(batch, options.points - first + 1);
      const frames = Array.from({ length: count }, (_, place) => {
        const step = first + place;
        const noise = Math.sin(step * 12.9898) * 0.2;
        const values = {
          loss: 4 / (1 + step / 5000) + 0.5 + noise,
          accuracy: 0.9 - 0.8 / (1 + step / 5000) + noise / 10,
          gradient_norm: 1 + noise,
          learning_rate: 0.002 * (1 - step / options.points / 2),
          tokens_per_second: 50_000 + 20_000 * noise,
        };
        return { type: 'metric', step, attempt: 1, values };
      });
      await store.events.append(claim, frames);
    }
  } finally {
    await store.close();
  }
  return job.id;
}

/** In the page: collects the time of every frame and every long task until it is asked for them. */
const record = `(() => {
  const frames = [];
  const long = [];
  let on = true;
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ entryTypes: ['longtask'] });
  const tick = (time) => {
    frames.push(time);
    if (on) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  globalThis.stopRecording = () => {
    on = false;
    observer.disconnect();
    return { frames, long };
  };
})()`;

const quantile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;

/** Processor time of the page's main thread so far, in milliseconds: what it took, whoever else was busy. */
async function mainThreadMs(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
}

/** Frames while something goes on. */
async function measure(page, session, what, work) {
  await page.evaluate(record);
  const before = await mainThreadMs(session);
  const end = performance.now() + 1000 * options.seconds;
  while (performance.now() < end) await work();
  const { frames, long } = await page.evaluate('stopRecording()');
  const busy = (await mainThreadMs(session)) - before;
  const gaps = frames.slice(1).map((time, place) => time - frames[place]);
  return {
    what,
    frames: gaps.length,
    main_thread_ms: busy / gaps.length,
    median_ms: median(gaps),
    p95_ms: quantile(gaps, 0.95),
    worst_ms: Math.max(...gaps),
    long_tasks: long.length,
    longest_task_ms: Math.max(0, ...long),
  };
}

if (chromiumPath === undefined) {
  console.error('Chromium is not installed: apt-get install chromium, or name one in UNFOLD_TEST_CHROMIUM.');
  process.exit(1);
}
const service = await startService();
const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments });
try {
  const job = await fillRun(service);
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const begun = performance.now();
  await page.goto(`${service.url}/runs/${job}`);
  const plot = page.getByRole('group', { name: /^Loss:/ });
  await plot.waitFor({ timeout: 60_000 });
  const loaded_ms = performance.now() - begun;
  const { x, y, width, height } = await plot.boundingBox();
  const middle = y + height / 2;
  const across = { x: x + width / 2, y: middle };
  // A fiftieth of the axis at a time still holds more points than pixels.
  await plot.focus();
  for (let presses = 0; presses < 4; presses += 1) await page.keyboard.press('+');
  let place = across.x;
  let direction = 3;
  await page.mouse.move(place, middle);
  await page.mouse.down();
  const panning = await measure(page, session, 'panning', async () => {
    if (place > x + width - 20 || place < x + 80) direction = -direction;
    place += direction;
    await page.mouse.move(place, middle);
  });
  await page.mouse.up();
  await plot.focus();
  await page.mouse.move(across.x, across.y);
  let turn = 0;
  const zooming = await measure(page, session, 'zooming', async () => {
    turn += 1;
    await page.mouse.wheel(0, Math.floor(turn / 20) % 2 ? 40 : -40);
  });
  const result = {
    points: options.points,
    curves: 5,
    loaded_ms,
    measured: [panning, zooming],
    machine: describeMachine(),
  };
  if (options.json) console.log(JSON.stringify(result));
  else {
    const ms = (value) => value.toFixed(1);
    console.log(
      table([
        [
          '',
          'frames',
          'main thread ms a frame',
          'median ms',
          '95 % ms',
          'worst ms',
          'tasks > 50 ms',
          'longest ms',
        ],
        ...result.measured.map((row) => [
          row.what,
          String(row.frames),
          ms(row.main_thread_ms),
          ms(row.median_ms),
          ms(row.p95_ms),
          ms(row.worst_ms),
          String(row.long_tasks),
          ms(row.longest_task_ms),
        ]),
      ]),
    );
    console.log(
      `\n5 curves of ${format.whole(options.points)} points, shown after ${format.whole(loaded_ms)} ms. ${format.machine(result.machine)}`,
    );
  }
} finally {
  await browser.close();
  await service.stop();
}
