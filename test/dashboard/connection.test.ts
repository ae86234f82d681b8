import type { Browser, Page, WebSocketRoute } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Api, smallSpec, startApi, upload } from '../api/support.ts';
import { beyondWidth, eventually, missing, openBrowser, openPage, openWindow, pointsOf } from './browser.ts';

describe.skipIf(missing !== null)(missing ?? 'What the page is connected to', () => {
  let api: Api;
  let browser: Browser;
  let page: Page;
  let close: () => Promise<void>;

  beforeAll(async () => {
    [api, browser] = await Promise.all([startApi(), openBrowser()]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
  });
  afterEach(() => close());

  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
  const indicator = () => page.getByRole('status', { name: 'Connection' });

  it('Run has no hole where its connection was cut, whatever was told meanwhile', async () => {
    const posted = await api.request.post('/v1/jobs').send(smallSpec(await upload(api)));
    const { id } = posted.body;
    const claimed = await api.store.jobs.claim(id, { worker: 'test', engines: ['native'] });
    const tell = async (steps: number[]): Promise<void> => {
      const points = steps.map((step) => ({
        type: 'metric' as const,
        step,
        attempt: 1,
        values: { loss: 1 / step },
      }));
      await api.store.events.append(claimed!.claim, points);
    };
    await tell([1, 2, 3]);

    const opened = await openWindow(browser);
    ({ page } = opened);
    close = () => opened.context.close();
    let isCut = false;
    const sockets: WebSocketRoute[] = [];
    await page.routeWebSocket(/\/v1\/stream/, (socket) => {
      if (isCut) return socket.close();
      sockets.push(socket);
      socket.connectToServer();
    });
    await page.goto(`${api.url}/runs/${id}`);
    const points = () => page.getByRole('group', { name: /^Loss:/ }).getAttribute('aria-label');
    await eventually(points).toContain('3 points');
    await tell([4, 5]);
    await eventually(points).toContain('5 points');

    isCut = true;
    for (const socket of sockets) await socket.close();
    await eventually(() => indicator().innerText()).toBe('Connection lost, trying again');
    await tell([6, 7, 8]);
    isCut = false;
    await eventually(() => indicator().innerText()).toBe('Live');
    await tell([9]);
    await eventually(points).toContain('9 points');
    expect((await pointsOf(page, 'Loss')).training).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => [step, 1 / step]),
    );
    await api.request.post(`/v1/jobs/${id}/cancel`);
    expect(opened.errors).toEqual([]);
  });

  /** The first of them closes the service to whoever has none, so they come last. */
  describe('Keys', () => {
    let admin: string;

    const asksForKey = () => page.getByRole('dialog', { name: 'An API key is needed' });
    const enter = async (key: string, { remember = false } = {}): Promise<void> => {
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('API key').fill(key);
      await dialog.getByLabel(/^Remember it/).setChecked(remember);
      await dialog.getByRole('button', { name: 'Continue' }).click();
      await dialog.waitFor({ state: 'hidden' });
    };
    const makeKey = async (scopes: string[]): Promise<string> => {
      const answer = await api.request
        .post('/v1/keys')
        .set('authorization', `Bearer ${admin}`)
        .send({ name: scopes.join(), scopes });
      return answer.body.key;
    };

    it('shows the first one until it is noted, and goes on with it', async () => {
      ({ page, close } = await openPage(browser, `${api.url}/system`));
      await button('New key').click();
      await page.getByLabel('Name').fill('mine');
      await button('Create key').click();
      const secret = page.getByRole('dialog', { name: 'Your new key' });
      admin = await secret.locator('code').innerText();
      // What the page asks for meanwhile is answered, since it has the key.
      await page.waitForResponse((answer) => answer.url().endsWith('/v1/system') && answer.ok());
      await page.keyboard.press('Escape');
      expect(await page.getByRole('dialog').count()).toBe(1);
      expect(await secret.locator('code').innerText()).toBe(admin);
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await button('Copy').click();
      await page.getByText('Copied the key').waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(admin);
      await button('Done').click();
      await page.getByRole('table', { name: 'API keys' }).getByText('mine').waitFor();
      await page.reload();
      await page.getByRole('table', { name: 'API keys' }).getByText('mine').waitFor();
      expect(await page.getByRole('dialog').count()).toBe(0);
    });

    it('is asked for, and of too few scopes says so, and leaves a way to another, which is remembered if that is wished', async () => {
      const [narrow, wide] = await Promise.all([makeKey(['infer']), makeKey(['read'])]);
      const opened = await openWindow(browser);
      ({ page } = opened);
      close = () => opened.context.close();
      await page.goto(api.url);
      await asksForKey().waitFor();
      await eventually(() => indicator().innerText()).toBe('Waiting for an API key');
      await eventually(() => page.locator('main .failure p').first().innerText()).toBe(
        'An API key is needed.',
      );
      await asksForKey().getByLabel('API key').fill('a-wrong-key-of-some-length');
      await page.keyboard.press('Enter');
      await asksForKey().getByText('unknown or was revoked').waitFor();
      await enter(narrow);
      await eventually(() => indicator().innerText()).toBe('Not live: not allowed');
      await button('Use another key').click();
      await page.keyboard.press('Escape');
      await button('Use another key').click();
      await enter(wide, { remember: true });
      await eventually(() => indicator().innerText()).toBe('Live');

      page = await opened.context.newPage();
      await page.goto(api.url);
      await eventually(() => indicator().innerText()).toBe('Live');
      expect(await page.getByRole('dialog').count()).toBe(0);
      await page.setViewportSize({ width: 360, height: 740 });
      expect(await beyondWidth(page)).toBe(0);
      await button('Change the API key').click();
      await button('Forget the key in use').click();
      await asksForKey().waitFor();
      await enter(wide);

      page = await opened.context.newPage();
      await page.goto(api.url);
      await asksForKey().waitFor();
      expect(opened.errors).toEqual([]);
    });
  });
});
