// What it costs to ask for text over HTTP: whole and streamed, the first token, and the smallest request of all.
import { format, measureCeiling, median, openBackend, table } from '../measure.mjs';
import { multiplyAdds } from '../model.mjs';
import { load, openConnection, postRequest } from './http-load.mjs';
import { randomModel } from './random-model.mjs';
import { importModel, processorSeconds, startServer } from './server.mjs';

const path = '/v1/completions';
const tokensWhole = ({ body }) => Number(/"completion_tokens":(\d+)/.exec(body)[1]);
const tokensStreamed = ({ body }) => Number(/"completion_tokens":(\d+)/.exec(body.slice(-1000))[1]);

/** Tokens a second of so many requests at once, and microseconds of the API's processor time a token: all of it, and the main thread's. */
async function measureTokens(service, { streams, seconds, tokens, streamed }) {
  const body = (k) => ({
    model: 'bench',
    prompt: 'Call me Ishmael',
    max_tokens: tokens,
    seed: k,
    ...(streamed && { stream: true, stream_options: { include_usage: true } }),
  });
  const before = processorSeconds(service.api.pid);
  const { kept, seconds: took } = await load(service.url, {
    path,
    body,
    connections: streams,
    seconds,
    keep: streamed ? tokensStreamed : tokensWhole,
  });
  const after = processorSeconds(service.api.pid);
  const total = kept.reduce((a, b) => a + b, 0);
  const microseconds = (name) => before && (1e6 * (after[name] - before[name])) / total;
  return {
    tokens_per_second: total / took,
    cpu_us: microseconds('process'),
    main_cpu_us: microseconds('main'),
  };
}

/** What this machine does at best: operations per second of a loop of multiply-adds on all processors; null without the addon. */
async function measureProcessors() {
  const backend = await openBackend({ engine: 'auto' });
  try {
    return measureCeiling(backend);
  } finally {
    backend.close();
  }
}

/** Milliseconds to the first token of a request among so many others that never end. */
async function measureFirstToken(service, { others, seconds }) {
  const request = (more) =>
    postRequest(service.url, path, { model: 'bench', prompt: 'Call me Ishmael', stream: true, ...more });
  const busy = await Promise.all(Array.from({ length: others }, () => openConnection(service.url)));
  for (const connection of busy) void connection.send(request({ max_tokens: 100_000 })).catch(() => {});
  const probe = await openConnection(service.url);
  const times = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || times.length < 5)
    times.push((await probe.send(request({ max_tokens: 2 }))).firstMs);
  for (const connection of [...busy, probe]) connection.close();
  return median(times);
}

/** Requests a second of a route beside those of another, in turns, so that what else the machine does meets both. */
async function measureRequests(service, empty, { connections, seconds, rounds }) {
  const body = { model: 'bench', prompt: 'a', max_tokens: 1 };
  const rates = { completion: [], empty: [] };
  for (let round = 0; round < rounds; round++)
    for (const [name, { url }] of Object.entries({ completion: service, empty }))
      rates[name].push((await load(url, { path, body, connections, seconds: seconds / rounds })).perSecond);
  return { completion: median(rates.completion), empty: median(rates.empty) };
}

export const completions = {
  name: 'completions',
  help: 'tokens a second whole and streamed, time to the first token, requests a second',
  async measure(service, { model, streams, tokens, seconds }) {
    await importModel(service.url, randomModel(model));
    await measureTokens(service, { streams, seconds: Math.min(1, seconds / 3), tokens, streamed: false });
    const ceiling = await measureProcessors();
    const whole = await measureTokens(service, { streams, seconds, tokens, streamed: false });
    const streamed = await measureTokens(service, { streams, seconds, tokens, streamed: true });
    const idle = await measureFirstToken(service, { others: 0, seconds: seconds / 2 });
    const loaded = await measureFirstToken(service, { others: streams - 1, seconds: seconds / 2 });
    const empty = await startServer('test/bench/service/empty-route.mjs');
    try {
      const requests = await measureRequests(service, empty, { connections: streams, seconds, rounds: 3 });
      return {
        streams,
        whole_tokens_per_second: Math.round(whole.tokens_per_second),
        whole_share_of_ceiling: ceiling && (2 * multiplyAdds(model) * whole.tokens_per_second) / ceiling,
        ceiling_operations_per_second: ceiling,
        streamed_tokens_per_second: Math.round(streamed.tokens_per_second),
        whole_cpu_us_per_token: whole.cpu_us,
        streamed_cpu_us_per_token: streamed.cpu_us,
        streamed_http_cpu_us_per_token: streamed.main_cpu_us,
        first_token_idle_ms: idle,
        first_token_loaded_ms: loaded,
        first_token_ratio: loaded / idle,
        one_token_requests_per_second: Math.round(requests.completion),
        empty_route_requests_per_second: Math.round(requests.empty),
        share_of_empty_route: requests.completion / requests.empty,
      };
    } finally {
      await empty.stop();
    }
  },
  print(result) {
    const microseconds = (value) => (value === null ? '–' : `${value.toFixed(1)} µs`);
    return table([
      ['of completions', 'measured', ''],
      [
        `${result.streams} whole`,
        `${format.whole(result.whole_tokens_per_second)} tokens/s`,
        `${microseconds(result.whole_cpu_us_per_token)} of processor a token; ${format.share(result.whole_share_of_ceiling)} of the processors' multiply-adds`,
      ],
      [
        `${result.streams} streamed`,
        `${format.whole(result.streamed_tokens_per_second)} tokens/s`,
        `${microseconds(result.streamed_cpu_us_per_token)}, ${microseconds(result.streamed_http_cpu_us_per_token)} of it on the main thread`,
      ],
      [
        'first token',
        `${result.first_token_loaded_ms.toFixed(1)} ms`,
        `${result.first_token_ratio.toFixed(1)} × idle`,
      ],
      [
        'one token',
        `${format.whole(result.one_token_requests_per_second)} requests/s`,
        `${format.share(result.share_of_empty_route)} of an empty route`,
      ],
    ]);
  },
};
