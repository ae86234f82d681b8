import type { JobResource, ModelResource } from '@unfold/contracts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Api, sampleText, smallSpec, startApi, upload } from '../api/support.ts';
import { publish, type Trained, trainModel, trainWeights, writeDirectly } from '../api/trained-model.ts';
import { eventually, faultsOf, limitDownload, missing, openBrowser, openPage, pointsOf } from './browser.ts';

const labeled = ['aab', 'aba', 'bb', 'bba']
  .map((input, k) => JSON.stringify({ input, label: k % 2 === 0 ? 'even' : 'odd' }))
  .join('\n');

const series = Array.from({ length: 200 }, (_, t) => `${10 + (t % 4)},${t % 2}\n`).join('');

describe.skipIf(missing !== null)(missing ?? 'The pages that ask the service', () => {
  let api: Api;
  let browser: Browser;
  let trained: Trained;
  let writer: ModelResource;
  let labeler: ModelResource;
  let forecaster: ModelResource;
  let page: Page;
  let close: () => Promise<void>;

  beforeAll(async () => {
    [api, browser, trained] = await Promise.all([startApi(), openBrowser(), trainModel()]);
    writer = await publish(api, trained, 'cats');
    labeler = await publish(api, await trainWeights(labeled, { task: 'classification' }), 'labels');
    forecaster = await publish(api, await trainWeights(series, { task: 'forecasting' }), 'series');
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
  });
  afterEach(() => close());

  const open = async (path: string): Promise<void> => {
    ({ page, close } = await openPage(browser, api.url + path));
  };

  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
  const shownText = async () => (await page.locator('.text-view').textContent()) ?? '';

  /** Has a text written, and waits for its end. */
  const write = async (given: string, tokens: number, seed: number): Promise<void> => {
    await page.getByLabel('Most tokens').fill(String(tokens));
    await page.getByLabel('Seed').fill(String(seed));
    await page.getByLabel(/Begin with|Add to the text/).fill(given);
    await button(/^(Write|Go on)$/).click();
    await page.getByText('As long as asked for').waitFor();
  };

  const chooseFile = async (): Promise<void> => {
    const file = { name: 'cats.txt', mimeType: 'text/plain', buffer: Buffer.from(sampleText) };
    await page.getByLabel('File to upload').setInputFiles(file);
    await page.getByText(`${sampleText.length.toLocaleString('en')} tokens`).waitFor();
  };

  describe('New run', () => {
    it('uploads, shows what the data becomes, names what is wrong beside its field, and posts the run', async () => {
      await open('/new');
      await chooseFile();
      await page.getByText('Parameters').waitFor();
      await page.getByText('the job begins when one is started').waitFor();

      const hidden = page.getByLabel('Hidden size');
      await hidden.fill('0');
      const refused = page.getByText('model.hidden_size: expected at least 1, but received 0.');
      await refused.waitFor();
      expect(await page.getByText('Parameters').count()).toBe(0);
      await button('Start training').click();
      await eventually(() =>
        hidden.evaluate<boolean, { matches(selector: string): boolean }>((field) => field.matches(':focus')),
      ).toBe(true);
      expect(await refused.count()).toBe(1);
      await page.getByRole('tab', { name: 'JSON' }).click();
      expect(await refused.count()).toBe(1);
      await page.getByRole('tab', { name: 'Form' }).click();

      await hidden.fill('8');
      await page.getByText('Parameters').waitFor();
      await page.getByLabel('Batch size').fill('2');
      await page.getByLabel('Name', { exact: true }).fill('from-the-page');
      await button('Start training').click();
      await page.waitForURL('**/runs/job-*');
      const id = page.url().split('/').at(-1)!;
      const job: JobResource = (await api.request.get(`/v1/jobs/${id}`)).body;
      expect(job.name).toBe('from-the-page');
      expect(job.spec.model.hidden_size).toBe(8);
      expect(job.spec.training.batch_size).toBe(2);
      await api.request.post(`/v1/jobs/${id}/cancel`);
    });

    it('begins with another run’s options, shows those of its cell alone, and as JSON', async () => {
      const posted = await api.request
        .post('/v1/jobs')
        .send(
          smallSpec(await upload(api), { training: { max_steps: 7, batch_size: 2, sequence_length: 16 } }),
        );
      await open(`/new?from=${posted.body.id}`);
      await page.getByText('More of the network').click();
      await page.getByRole('combobox', { name: 'Reset', exact: true }).waitFor();
      expect(await page.getByLabel('Peephole').count()).toBe(0);
      await page.getByLabel('Cell').selectOption('lstm');
      await page.getByLabel('Peephole').waitFor();
      expect(await page.getByRole('combobox', { name: 'Reset', exact: true }).count()).toBe(0);
      await page.getByRole('tab', { name: 'JSON' }).click();
      expect(JSON.parse(await page.getByLabel('Spec').inputValue())).toEqual({
        file: posted.body.spec.file,
        model: { hidden_size: 8, num_layers: 1 },
        training: { max_steps: 7, batch_size: 2, sequence_length: 16 },
      });
      await api.request.post(`/v1/jobs/${posted.body.id}/cancel`);
    });

    it('tells the task from the file', async () => {
      await open('/new');
      const file = { name: 'labels.jsonl', mimeType: 'text/plain', buffer: Buffer.from(labeled) };
      await page.getByLabel('File to upload').setInputFiles(file);
      await eventually(() => page.getByLabel('Task').inputValue()).toBe('classification');
      await page.getByText('4 sequences of 2 to 3 tokens').waitFor();
    });
  });

  describe('Playground', () => {
    it('writes what the model itself writes, shows what else was likely, forks, marks and goes back', async () => {
      await open(`/playground?model=${writer.id}`);
      await write('the cat', 30, 7);
      const expected = await writeDirectly(trained.model, {
        prompt: 'the cat',
        max_tokens: 30,
        seed: 7,
        temperature: 0.8,
      });
      expect(await shownText()).toBe(`the cat${expected}`);

      await page.locator('.text-view').focus();
      await page.keyboard.press('End');
      expect(await page.locator('.token-panel li').count()).toBeGreaterThanOrEqual(5);
      expect(await page.locator('.token').innerText()).toBe(
        expected.at(-1)!.replace(' ', '␣').replace('\n', '⏎'),
      );

      await button('Mark this point').click();
      await button(/^Back to token/).waitFor();
      await button('Fork').click();
      await button('Text 2').waitFor();
      await write('', 10, 1);
      const forked = await shownText();
      expect(forked.startsWith(`the cat${expected}`)).toBe(true);
      expect(forked).toHaveLength(`the cat${expected}`.length + 10);
      await button('Text 1').click();
      expect(await shownText()).toBe(`the cat${expected}`);
      await write(' and', 5, 1);
      expect(await shownText()).not.toBe(`the cat${expected}`);
      await button(/^Back to token/).click();
      await eventually(shownText).toBe(`the cat${expected}`);
    });

    it('shows what is given before the service has answered, and hands it back if that refuses it', async () => {
      await open(`/playground?model=${writer.id}`);
      let refuse = async (): Promise<void> => {};
      await page.route('**/v1/sessions', (route) => {
        const error = { message: 'no session today', type: 'invalid_request_error', param: null, code: null };
        refuse = () => route.fulfill({ status: 400, json: { error } });
      });
      await page.getByLabel('Begin with').fill('the cat');
      await button('Write').click();
      await eventually(shownText).toBe('the cat');
      await refuse();
      await page.getByText('no session today').waitFor();
      expect(await page.getByLabel('Begin with').inputValue()).toBe('the cat');
      await page.unroute('**/v1/sessions');

      const settings = { max_tokens: 5, temperature: 0 };
      await page.getByLabel(/^Temperature/).fill('0');
      await write('the cat', 5, 1);
      const once = `the cat${await writeDirectly(trained.model, { prompt: 'the cat', ...settings })}`;
      expect(await shownText()).toBe(once);
    });

    /** Begins a text that goes on for longer than any test: its tens of megabytes come over a slow line. */
    const beginLongText = async (seed = ''): Promise<void> => {
      await open(`/playground?model=${writer.id}`);
      await page.getByLabel('Seed').fill(seed);
      await limitDownload(page, 500_000);
      await page.getByLabel('Most tokens').fill('100000');
      await page.getByLabel('Begin with').fill('the');
      await button('Write').click();
      await eventually(async () => (await shownText()).length).toBeGreaterThan(10);
    };

    it('stops, and goes on from what is shown, which is copied as it was written', async () => {
      await beginLongText();
      await eventually(() => page.locator('.text-view .block').count()).toBeGreaterThan(1);
      await button('Stop').click();
      await page.getByText('Stopped').waitFor();
      const stopped = await shownText();
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.evaluate("getSelection().selectAllChildren(document.querySelector('.text-view'))");
      await page.keyboard.press('Control+c');
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(stopped);
      await page.getByLabel(/^Temperature/).fill('0');
      await write('', 5, 1);
      const next = await writeDirectly(trained.model, { prompt: stopped, max_tokens: 5, temperature: 0 });
      expect(await shownText()).toBe(stopped + next);
    });

    it('writes on with another temperature as soon as that is chosen', async () => {
      await beginLongText();
      await page.getByLabel(/^Temperature/).fill('0');
      const endsGreedily = async (): Promise<boolean> => {
        const text = await shownText();
        const before = text.slice(0, -20);
        const last = await writeDirectly(trained.model, { prompt: before, max_tokens: 20, temperature: 0 });
        return text === before + last;
      };
      await eventually(endsGreedily).toBe(true);
      await page.getByText('Writing').waitFor();
      await button('Stop').click();
      await page.getByText('Stopped').waitFor();
    });

    it('draws anew where there is a seed and the temperature is changed, and not what it drew before', async () => {
      await beginLongText('7');
      const asked = page.waitForRequest((request) => request.postDataJSON()?.max_tokens > 0);
      await page.getByLabel(/^Temperature/).fill('0.9');
      const { seed, temperature } = (await asked).postDataJSON();
      expect(temperature).toBe(0.9);
      expect(seed).toBeGreaterThan(7);
      await button('Stop').click();
      await page.getByText('Stopped').waitFor();
    });

    it('draws the hidden units over the text, and tints the text by one of them', async () => {
      await open(`/playground?model=${writer.id}`);
      await write('the cat', 20, 3);
      await button('Show').click();
      const canvas = page.locator('canvas');
      await canvas.waitFor();
      const size = () =>
        canvas.evaluate<number[], { width: number; height: number }>(({ width, height }) => [width, height]);
      await eventually(size).toEqual([27, 12]);
      const { units } = await trained.model.activations(await shownText());
      const [first] = units;
      await button(first!.name).click();
      const low = first!.values.findIndex((value) => value < -0.4);
      const high = first!.values.findIndex((value) => value > 0.4);
      for (const [place, tint] of [
        [low, /unit-low/],
        [high, /unit-high/],
      ] as const)
        if (place >= 0)
          await eventually(() => page.locator(`[data-piece="${place}"]`).getAttribute('class')).toMatch(tint);
      expect(Math.max(low, high)).toBeGreaterThanOrEqual(0);
    });

    it('asks other models for what they answer', async () => {
      await open(`/playground?model=${labeler.id}`);
      await page.getByRole('textbox', { name: 'Input', exact: true }).fill('aab');
      await button('Predict').click();
      await page
        .getByText(/^(even|odd)$/)
        .first()
        .waitFor();
      await page.getByLabel('The input is').selectOption('numbers');
      await page.getByRole('textbox', { name: 'Input', exact: true }).fill('1');
      await button('Predict').click();
      await page.getByText(/input: expected a text/).waitFor();
      expect(await page.getByText(/^(even|odd)$/).count()).toBe(0);
      await page.getByRole('textbox', { name: 'Input', exact: true }).fill('1, 2\nabc');
      await button('Predict').click();
      await page.getByText('line 2: abc is no number.').waitFor();
    });

    it('draws how each value of a series goes on, above the numbers themselves', async () => {
      await open(`/playground?model=${forecaster.id}`);
      const rows = series.trim().split('\n').slice(0, 12);
      await page.getByRole('textbox', { name: 'Input', exact: true }).fill(rows.join('\n'));
      await page.getByLabel('Steps to go on for').fill('5');
      await button('Predict').click();
      const input = rows.map((row) => row.split(',').map(Number));
      const answer = await api.request.post(`/v1/models/${forecaster.id}/predict`).send({ input, steps: 5 });
      const values: number[][] = answer.body.data[0].values;
      for (const place of [0, 1])
        expect(await pointsOf(page, `Forecast of value ${place}`)).toEqual({
          given: input.map((row, t) => [t + 1, row[place]]),
          forecast: values.map((row, t) => [t + 13, row[place]]),
        });
      const table = page.getByRole('table', { name: 'Values' });
      expect(await table.getByRole('row').count()).toBe(6);
      await page.getByRole('textbox', { name: 'Input', exact: true }).fill('1, 2\n\n1, 2, 3');
      await button('Predict').click();
      await page.getByText(/but received 3 numbers in line 3\.$/).waitFor();
      expect(await table.count()).toBe(0);
    });

    it('takes its sessions along when the page is left', async () => {
      await open(`/playground?model=${writer.id}`);
      const sessions = async (): Promise<string[]> => {
        const answer = await fetch(`${api.url}/v1/sessions?limit=100`);
        return ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
      };
      const before = new Set(await sessions());
      const own = async () => (await sessions()).filter((id) => !before.has(id));
      await write('the cat', 5, 1);
      await button('Fork').click();
      await button('Text 2').waitFor();
      expect(await own()).toHaveLength(2);
      await page.goto('about:blank');
      await eventually(own).toEqual([]);
    });
  });

  it('System tells what is kept, and warns of what a first key closes', async () => {
    await open('/system');
    await page.getByText('The database and the queue answer.').waitFor();
    await page.getByText('No worker is running').waitFor();
    const models = page.locator('.figure', { hasText: 'Models' });
    await eventually(() => models.innerText()).toContain('3 kept');
    await button('New key').click();
    await page.getByText('it must have the scope admin').waitFor();
    await page.keyboard.press('Escape');
  });

  it('axe finds nothing in them while they are used, in either theme, and a phone is wide enough', async () => {
    const found: string[] = [];
    const uses: [path: string, use: () => Promise<unknown>][] = [
      ['/new', () => chooseFile()],
      [
        `/playground?model=${writer.id}`,
        async () => {
          await write('the', 10, 1);
          await button('Show').click();
          await page.locator('.unit-names button').first().click();
        },
      ],
      [`/playground?model=${labeler.id}`, () => button('Predict').waitFor()],
      [
        `/playground?model=${forecaster.id}`,
        async () => {
          await page.getByRole('textbox', { name: 'Input', exact: true }).fill(series);
          await button('Predict').click();
          await page.getByRole('table', { name: 'Values' }).waitFor();
        },
      ],
    ];
    await open('/system');
    for (const [path, use] of uses)
      found.push(
        ...(await faultsOf(page, path, async () => {
          await page.goto(api.url + path);
          await use();
        })),
      );
    expect(found).toEqual([]);
  });
});
