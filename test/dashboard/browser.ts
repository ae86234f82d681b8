import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Download, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { chromiumArguments, chromiumPath } from '../support/chromium.mjs';
import { root } from '../support/process.ts';

const built = existsSync(join(root, 'apps/dashboard/dist/page/index.html'));

/** Why the page cannot be looked at on this machine, or null. */
export const missing: string | null =
  chromiumPath === undefined
    ? 'Chromium is not installed (apt-get install chromium, or name one in UNFOLD_TEST_CHROMIUM)'
    : built
      ? null
      : 'the page is not built (npm run build)';

/** A Chromium that asks nobody for anything but what a page asks for. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath as string, args: chromiumArguments });

export type Theme = 'light' | 'dark';

interface Look {
  theme?: Theme;
  width?: number;
  height?: number;
}

/** A window of its own: no storage in common with others. */
export const openWindow = async (
  browser: Browser,
  { theme = 'light', width = 1280, height = 800 }: Look = {},
): Promise<{ context: BrowserContext; page: Page; addresses: string[]; errors: string[] }> => {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const addresses: string[] = [];
  const errors: string[] = [];
  context.on('request', (request) => addresses.push(request.url()));
  page.on('websocket', (socket) => addresses.push(socket.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  // What the browser itself says of a connection that the test has cut is no error of the page.
  page.on('console', (message) => {
    if (message.type() === 'error' && !/ERR_|Failed to load resource|WebSocket/.test(message.text()))
      errors.push(message.text());
  });
  return { context, page, addresses, errors };
};

/** A window at an address, once the page is there; whoever closes it holds the page to have met no error. */
export const openPage = async (
  browser: Browser,
  address: string,
): Promise<{ page: Page; close: () => Promise<void> }> => {
  const { context, page, errors } = await openWindow(browser);
  await page.goto(address);
  await page.locator('main h1').waitFor();
  const close = async (): Promise<void> => {
    expect(errors).toEqual([]);
    await context.close();
  };
  return { page, close };
};

/** A machine that does other things besides takes its time. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 });

/** Lets a page receive no more than so many bytes a second from now on, so that what is long is still under way when a test comes to it. */
export const limitDownload = async (page: Page, bytesPerSecond: number): Promise<void> => {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: bytesPerSecond,
    uploadThroughput: -1,
  });
};

/** The text of a file that the page gave. */
export const textOf = async (download: Download): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of await download.createReadStream()) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
};

/** What a chart has, point by point, as its own button saves it: the columns by their heads, without the empty places. */
export const pointsOf = async (page: Page, chart: string): Promise<Record<string, [number, number][]>> => {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: `${chart}: save as CSV` }).click(),
  ]);
  const [head = '', ...rows] = (await textOf(download)).split('\n');
  const cells = rows.map((row) => row.split(','));
  return Object.fromEntries(
    head
      .split(',')
      .slice(1)
      .map((name, place) => [
        name,
        cells
          .filter((row) => row[place + 1] !== '')
          .map((row): [number, number] => [Number(row[0]), Number(row[place + 1])]),
      ]),
  );
};

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeResult {
  violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
}

/** By how many pixels a page is wider than its window, two frames later: charts take on another width only in the frame after it. */
export const beyondWidth = (page: Page): Promise<number> =>
  page.evaluate<number>(
    `new Promise((tell) => requestAnimationFrame(() => requestAnimationFrame(() =>
      tell(document.documentElement.scrollWidth - document.documentElement.clientWidth))))`,
  );

/** What axe finds on a page in either theme, and how much wider than a phone it is, in words. @param show goes to the page and waits for it */
export const faultsOf = async (page: Page, path: string, show: () => Promise<unknown>): Promise<string[]> => {
  const faults: string[] = [];
  const look = async (what: string, options: object): Promise<void> => {
    const { violations } = await page.evaluate<AxeResult>(`axe.run(${JSON.stringify(options)})`);
    for (const { id, nodes } of violations)
      faults.push(`${what}: ${id}: ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary}`);
  };
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });
  await show();
  await page.evaluate(axe);
  await look(path, { resultTypes: ['violations'] });
  // Nothing but colours is another in the other theme.
  await page.emulateMedia({ colorScheme: 'dark' });
  await look(`${path}, dark`, { resultTypes: ['violations'], runOnly: ['color-contrast'] });
  await page.setViewportSize({ width: 360, height: 740 });
  const pixels = await beyondWidth(page);
  if (pixels > 0) faults.push(`${path}: ${pixels} pixels beyond a phone`);
  return faults;
};
