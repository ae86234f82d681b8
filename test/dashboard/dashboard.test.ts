import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { JobResource, MetricsResource } from '@unfold/contracts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDatabase } from '../support/postgres.ts';
import { root, waitFor } from '../support/process.ts';
import {
  get,
  job,
  reaches,
  type Service,
  startDistributedService,
  submit,
  upload,
} from '../support/service.ts';
import { faultsOf, missing, openBrowser, openWindow, pointsOf } from './browser.ts';

const poem = 'the cat sat on the mat, and the dog lay by the fog.\n'.repeat(200);

const spec = (file: string, name: string, cell: string, training: object = {}) => ({
  name,
  file,
  model: { cell, hidden_size: 8, num_layers: 1 },
  training: {
    batch_size: 4,
    sequence_length: 16,
    max_steps: 120,
    log_every: 1,
    evaluate_every: 40,
    sample_every: 40,
    diagnostics_every: 40,
    optimizer: { learning_rate: 0.02 },
    ...training,
  },
});

/** What the metrics route has of a name, as pairs of step and value. */
const curve = async (service: Service, id: string, name: string): Promise<[number, number][]> => {
  const { steps, series } = await get<MetricsResource>(service, `/v1/jobs/${id}/metrics?names=${name}`);
  return steps.flatMap((step, place): [number, number][] => {
    const value = series[name]?.[place];
    return value == null ? [] : [[step, value]];
  });
};

describe.skipIf(missing !== null)(missing ?? 'The page', () => {
  let service: Service;
  let drop: () => Promise<unknown>;
  let browser: Browser;
  let file: string;
  let runs: [JobResource, JobResource];
  const addresses: string[] = [];
  const errors: string[] = [];

  const open = async (path: string, look: Parameters<typeof openWindow>[1] = {}) => {
    const opened = await openWindow(browser, look);
    await opened.page.goto(service.url + path);
    return {
      ...opened,
      close: async () => {
        addresses.push(...opened.addresses);
        errors.push(...opened.errors);
        await opened.context.close();
      },
    };
  };

  beforeAll(async () => {
    const database = await withDatabase();
    drop = () => database.drop();
    [service, browser] = await Promise.all([
      startDistributedService({ databaseUrl: database.databaseUrl, redisUrl: null, workers: 1 }),
      openBrowser(),
    ]);
    file = await upload(service, poem);
    const posted = [
      await submit(service, spec(file, 'first', 'gru')),
      await submit(service, spec(file, 'second', 'lstm')),
    ];
    runs = (await Promise.all(posted.map(({ id }) => reaches(service, id, ['succeeded'])))) as typeof runs;
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await drop?.();
  }, 60_000);

  /** Goes to a page and waits until it has nothing more to load. */
  const show = async (page: Page, path: string): Promise<void> => {
    await page.goto(service.url + path);
    await page.locator('main h1, main h2, main pre').first().waitFor();
    await waitFor('nothing to be awaited', async () => (await page.locator('.state.loading').count()) === 0);
  };

  const pages = () => [
    '/',
    `/runs/${runs[0].id}`,
    `/runs/${runs[0].id}?tab=samples`,
    `/runs/${runs[0].id}?tab=gradients`,
    `/runs/${runs[0].id}?tab=log`,
    `/runs/${runs[0].id}?tab=checkpoints`,
    `/runs/${runs[0].id}?tab=spec`,
    `/compare?runs=${runs[0].id},${runs[1].id}`,
    '/system',
    '/runs/job-00000000000000000000000000000000',
  ];

  it('lets a curve grow, says that the connection is lost, and has no hole when the API is back', async () => {
    // Large enough that it tells dozens of steps a second, not thousands.
    const long = spec(file, 'live', 'gru', {
      batch_size: 8,
      sequence_length: 32,
      max_steps: 1_000_000,
      epochs: 100_000,
      evaluate_every: 100,
      checkpoint_every: 1000,
    });
    const { id } = await submit(service, { ...long, model: { ...long.model, hidden_size: 48 } });
    const { page, close } = await open(`/runs/${id}`);
    const plot = page.getByRole('group', { name: /^Loss:/ });
    const points = async () =>
      Number(
        (await plot.getAttribute('aria-label'))?.match(/([\d,]+) points/)?.[1]?.replaceAll(',', '') ?? 0,
      );
    const grown = async (than: number) => waitFor('the curve to grow', async () => (await points()) > than);
    await plot.waitFor();
    await grown(10);
    await page.getByText(/ of [\d,]+ steps$/).waitFor();
    const tokens = await page
      .getByLabel('Across')
      .selectOption('Tokens')
      .then(() => pointsOf(page, 'Loss'));
    expect(tokens.training?.[0]?.[0]).toBeGreaterThan(0);
    expect(tokens.training?.at(-1)?.[0]).toBeGreaterThan(tokens.training?.[0]?.[0] as number);
    await page.getByLabel('Across').selectOption('Steps');
    const indicator = page.getByRole('status', { name: 'Connection' });
    await waitFor('the page to be live', async () => (await indicator.textContent()) === 'Live');
    const restarted = service.restartApi();
    await waitFor('the loss to be shown', async () => (await indicator.textContent())?.includes('lost'));
    await restarted;
    await waitFor(
      'the page to be live again',
      async () => (await indicator.textContent()) === 'Live',
      60_000,
    );
    await grown(await points());
    await page.getByRole('button', { name: 'Cancel' }).click();
    await reaches(service, id, ['cancelled']);
    const expected = await curve(service, id, 'loss');
    await waitFor('every point', async () => (await points()) === expected.length);
    const shown = await pointsOf(page, 'Loss');
    expect(shown.training).toEqual(expected);
    expect(expected.map(([step]) => step)).toEqual(expected.map((_, place) => place + 1));
    expect(shown.validation).toEqual(await curve(service, id, 'validation_loss'));
    await page.getByText('cancelled', { exact: true }).first().waitFor();
    await close();
  }, 180_000);

  it('compares two runs that were selected in the list, and says where their specs differ', async () => {
    const { page, close } = await open('/');
    for (const { name } of runs) await page.getByRole('checkbox', { name: `Compare ${name}` }).check();
    await page.getByRole('link', { name: 'Compare 2' }).click();
    await page.getByRole('heading', { name: 'Compare 2 runs' }).waitFor();
    await page.getByRole('columnheader', { name: 'model.cell' }).waitFor();
    const shown = await pointsOf(page, 'Loss, training');
    for (const { id, name } of runs) expect(shown[name as string]).toEqual(await curve(service, id, 'loss'));
    // The same over time and tokens, whose points are as many.
    for (const axis of ['Training time', 'Tokens']) {
      await page.getByLabel('Across').selectOption(axis);
      const others = await pointsOf(page, 'Loss, training');
      const [first] = runs;
      expect(others[first.name as string]?.map(([, value]) => value)).toEqual(
        shown[first.name as string]?.map(([, value]) => value),
      );
      const places = others[first.name as string]?.map(([place]) => place) as number[];
      expect(places).toEqual([...places].sort((a, b) => a - b));
      if (axis === 'Tokens')
        expect(places.at(-1)).toBeCloseTo((await job(service, first.id)).progress.tokens, 3);
    }
    await show(page, `/compare?runs=${runs[0].id},job-00000000000000000000000000000000`);
    await page.getByRole('heading', { name: 'Compare 1 run' }).waitFor();
    await page.getByRole('link', { name: 'Leave it out' }).click();
    await waitFor('the good one alone', async () => page.url().endsWith(`runs=${runs[0].id}`));
    await page.getByRole('link', { name: 'Leave it out' }).waitFor({ state: 'detached' });
    await close();
  });

  it('finds, filters and sorts runs, and keeps that in the address', async () => {
    const { page, close } = await open('/');
    const names = () => page.locator('.name-cell a').allTextContents();
    await page.getByPlaceholder(/^Search/).fill('lstm');
    await waitFor('one run', async () => (await names()).join() === 'second');
    await page.getByPlaceholder(/^Search/).fill('');
    await page.getByLabel('Status').selectOption('succeeded');
    await page.getByRole('button', { name: 'Name' }).click();
    await waitFor('the order', async () => (await names()).slice(0, 2).join() === 'first,second');
    expect(page.url()).toContain('status=succeeded');
    await page.reload();
    await waitFor('the same order', async () => (await names()).slice(0, 2).join() === 'first,second');
    await close();
  });

  it('takes a deletion back, and deletes for good when the page is left', async () => {
    const { id } = await submit(service, spec(file, 'unwanted', 'elman', { max_steps: 2 }));
    await reaches(service, id, ['succeeded']);
    const { page, close } = await open('/');
    const row = page.getByRole('row', { name: /unwanted/ });
    await row.getByRole('button', { name: 'Delete unwanted' }).press('Enter');
    await row.waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Undo');
    await page.keyboard.press('Enter');
    await row.waitFor();
    expect((await job(service, id)).status).toBe('succeeded');
    await row.getByRole('button', { name: 'Delete unwanted' }).click();
    await row.waitFor({ state: 'detached' });
    await page.goto('about:blank');
    await waitFor(
      'the run to be gone',
      async () => (await fetch(`${service.url}/v1/jobs/${id}`)).status === 404,
    );
    await close();
  });

  it('forgets what was deleted elsewhere once somebody looks at it again, and tells of checkpoints that are past', async () => {
    const name = 'elsewhere-'.padEnd(63, 'long-');
    const { id } = await submit(service, spec(file, name, 'elman', { max_steps: 2 }));
    await reaches(service, id, ['succeeded']);
    const { page, close } = await open(`/runs/${id}?tab=log`);
    await page.getByRole('cell', { name: /^Step 2: ckpt/ }).waitFor();
    await page.goto(`${service.url}/?select=${runs[0].id},${id}`);
    await page.getByRole('link', { name: 'Compare 2' }).waitFor();
    // However long a name is, all that can be done to its run is in sight.
    const pixels = await page.evaluate<number>(
      "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.table-frame'))",
    );
    expect(pixels).toBe(0);
    await fetch(`${service.url}/v1/jobs/${id}`, { method: 'DELETE' });
    await page.evaluate("dispatchEvent(new Event('focus'))");
    await page.getByRole('link', { name, exact: true }).waitFor({ state: 'detached' });
    await page.getByText('Select another to compare').waitFor();
    await close();
  });

  it('reads a run again that could not be read', async () => {
    const { page, close } = await open('/system');
    await page.route(/\/v1\/jobs\/.*\/metrics/, (route) => route.fulfill({ status: 500, json: {} }));
    await page.goto(`${service.url}/runs/${runs[0].id}`);
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    await page.unrouteAll();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('group', { name: /^Loss:/ }).waitFor();
    await close();
  });

  it('has nothing for axe to find on what shows runs, in either theme, and scrolls nowhere sideways on a phone', async () => {
    const { page, close } = await open('/');
    const found: string[] = [];
    for (const path of pages()) found.push(...(await faultsOf(page, path, () => show(page, path))));
    expect(found).toEqual([]);
    await close();
  });

  it('is used by keyboard alone: to a run, its tabs, into a curve and out', async () => {
    const { page, close } = await open('/');
    await page.getByRole('link', { name: 'first', exact: true }).waitFor();
    const reach = async (name: string | RegExp) => {
      for (let presses = 0; presses < 80; presses += 1) {
        await page.keyboard.press('Tab');
        const label = await page.evaluate<string>(
          "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent",
        );
        if (typeof name === 'string' ? label.trim() === name : name.test(label)) return;
      }
      throw new Error(`Tab never came to ${name}.`);
    };
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await reach('first');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'first' }).waitFor();
    await page.getByRole('tab', { name: 'Curves' }).waitFor();
    await reach('Curves');
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { name: /^Samples/ }).getAttribute('aria-selected')).toBe('true');
    await page.getByRole('slider').waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.getByRole('group', { name: /^Loss:/ }).waitFor();
    await reach(/^Loss: training/);
    // The picture changes when it is zoomed and moved, and is the same again when all is shown.
    const picture = () =>
      page.evaluate<string>(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
        .then(() => document.querySelector('canvas').toDataURL())`);
    const whole = await picture();
    for (const key of ['+', '+', 'ArrowRight']) await page.keyboard.press(key);
    const part = await picture();
    expect(part).not.toBe(whole);
    await page.keyboard.press('0');
    await waitFor('the whole curve', async () => (await picture()) === whole);
    await close();
  });

  it('keeps the theme that was chosen', async () => {
    const { page, close } = await open('/system', { theme: 'light' });
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.getByRole('button', { name: 'Theme: as the system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await ground()).toBe(dark);
    await close();
  });

  it('loads less than 250 kB at first', async () => {
    const { page, close, addresses: first } = await open('/');
    await page.getByRole('link', { name: 'first', exact: true }).waitFor();
    const files = [...new Set(first.map((address) => new URL(address).pathname))].filter((path) =>
      path.startsWith('/assets/'),
    );
    expect(files.length).toBeGreaterThan(1);
    const bytes = files.map((path) => statSync(join(root, 'apps/dashboard/dist/page', `${path}.gz`)).size);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(250_000);
    await close();
  });

  it('has asked no other host for anything all the while, and met no error', () => {
    const own = /^(?:https?|ws):\/\/127\.0\.0\.1:|^(?:blob|data|about):/;
    expect(addresses.length).toBeGreaterThan(100);
    expect(addresses.filter((address) => !own.test(address))).toEqual([]);
    expect(errors).toEqual([]);
  });
});
