import type { CompletionResource, Frame, MetricsResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployments } from '../support/deployments.ts';
import { follow, get, job, post, reaches, type Service, submit, upload } from '../support/service.ts';

const poem = 'the cat sat on the mat, and the dog lay by the fog.\n'.repeat(400);

const small = (file: string, training: object = {}) => ({
  file,
  model: { cell: 'gru', hidden_size: 16, num_layers: 1 },
  training: {
    batch_size: 4,
    sequence_length: 16,
    max_steps: 120,
    log_every: 1,
    evaluate_every: 40,
    checkpoint_every: 20,
    optimizer: { learning_rate: 0.02 },
    ...training,
  },
});

const long = (file: string) => small(file, { max_steps: 1_000_000, epochs: 100_000, log_every: 5 });

describe.each(deployments)('a service on $name', ({ missing, start }) => {
  describe.skipIf(missing !== null)(missing ?? 'serves', () => {
    let service: Service;
    let file: string;

    beforeAll(async () => {
      service = await start();
      file = await upload(service, poem);
    }, 120_000);
    afterAll(async () => {
      await service?.stop();
    }, 60_000);

    it('every sequence number exactly once to a follower that reconnects at random moments', async () => {
      const { id } = await submit(service, small(file));
      let seed = 7;
      const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
      const { frames, connections } = await follow(service, id, () => 1 + Math.floor(random() * 30));
      expect(connections).toBeGreaterThan(3);
      expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, index) => index + 1));
      expect(frames.every((frame) => frame.job_id === id)).toBe(true);
      expect(frames.at(-1)).toMatchObject({ type: 'status', status: 'succeeded' });

      const log: Frame[] = [];
      for (;;) {
        const page = await get<{ data: Frame[]; has_more: boolean }>(
          service,
          `/v1/jobs/${id}/events?after=${log.at(-1)?.seq ?? 0}&limit=50`,
        );
        log.push(...page.data);
        if (!page.has_more) break;
      }
      expect(log).toEqual(frames);

      const curve = await get<MetricsResource>(service, `/v1/jobs/${id}/metrics?names=loss`);
      expect(curve.steps).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
      const losses = curve.series.loss as number[];
      expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
    });

    it('text from a finished model, whole and streamed, the same for the same seed', async () => {
      const { id } = await submit(service, { ...small(file), name: 'poet' });
      const { model_id } = await reaches(service, id, ['succeeded']);
      const request = { model: 'poet', prompt: 'the cat', max_tokens: 30, seed: 5 };
      const whole = (await (await post(service, '/v1/completions', request)).json()) as CompletionResource;
      expect(whole.choices[0]?.text).toHaveLength(30);
      expect(whole.usage).toEqual({
        prompt_tokens: 7,
        completion_tokens: 30,
        total_tokens: 37,
        prompt_tokens_details: { cached_tokens: 0 },
      });

      const streamed = await post(service, '/v1/completions', { ...request, model: model_id, stream: true });
      expect(streamed.headers.get('content-type')).toContain('text/event-stream');
      const events = (await streamed.text()).split('\n\n').filter((event) => event.startsWith('data: '));
      expect(events.at(-1)).toBe('data: [DONE]');
      const pieces = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)) as CompletionResource);
      expect(pieces.map((piece) => piece.choices[0]?.text ?? '').join('')).toBe(whole.choices[0]?.text);
    });

    it('pause, which frees the device, and resume, which goes on to the same end as a run left alone', async () => {
      const alone = await submit(service, small(file));
      await reaches(service, alone.id, ['succeeded']);
      const paused = await submit(service, small(file));
      const socket = follow(service, paused.id);
      expect((await post(service, `/v1/jobs/${paused.id}/pause`)).status).toBe(200);
      const atPause = await reaches(service, paused.id, ['paused', 'succeeded']);
      if (atPause.status === 'paused') {
        expect((await post(service, `/v1/jobs/${paused.id}/pause`)).status).toBe(200);
        expect((await post(service, `/v1/jobs/${paused.id}/resume`)).status).toBe(200);
      }
      await reaches(service, paused.id, ['succeeded']);
      const { frames } = await socket;
      expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, index) => index + 1));
      const names = 'loss,validation_loss,gradient_norm,learning_rate,epoch,accuracy';
      const curves = await Promise.all(
        [alone, paused].map(({ id }) =>
          get<MetricsResource>(service, `/v1/jobs/${id}/metrics?names=${names}`),
        ),
      );
      expect(curves[1]?.steps).toEqual(curves[0]?.steps);
      expect(curves[1]?.series).toEqual(curves[0]?.series);
      const weights = await Promise.all(
        [alone, paused].map(async ({ id }) => {
          const { model_id } = await job(service, id);
          const { sha256 } = await get<{ sha256: string }>(service, `/v1/models/${model_id}`);
          return sha256;
        }),
      );
      expect(weights[1]).toBe(weights[0]);
    });

    it('a cancel that reaches a running worker at once, and is final', async () => {
      const { id } = await submit(service, long(file));
      await reaches(service, id, ['running']);
      expect((await post(service, `/v1/jobs/${id}/cancel`)).status).toBe(200);
      await reaches(service, id, ['cancelled'], 5000);
      expect((await post(service, `/v1/jobs/${id}/cancel`)).status).toBe(200);
      expect((await post(service, `/v1/jobs/${id}/pause`)).status).toBe(409);
    });

    it('its API page and its OpenAPI document', async () => {
      expect((await fetch(`${service.url}/docs`)).status).toBe(200);
      expect(await get(service, '/openapi.json')).toMatchObject({ openapi: '3.1.0' });
    });
  });
});
