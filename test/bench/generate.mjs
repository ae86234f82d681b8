// npm run bench:generate: tokens per second of generation. See --help.

import { createCompletions } from './completions.mjs';
import { createGeneration } from './generation.mjs';
import {
  describeMachine,
  format,
  measureCeiling,
  measureReading,
  median,
  openBackend,
  peakMemoryBytes,
  table,
  time,
} from './measure.mjs';
import { modelOf, multiplyAdds } from './model.mjs';
import { engineOptions, jsonOption, kinds, modelOptions, readOptions } from './options.mjs';

const options = readOptions(
  'bench:generate',
  'Times generation: a step of every layer, the logits and a draw, for each stream. One stream is held against the reading of its weights, many against multiply-adds, what `complete` makes of it against the bare loop, as many beams of a call against as many samples (`beams`), and lines scored by as many calls against one call (`calls`).',
  {
    ...modelOptions,
    size: {
      kind: kinds.listOf(['S', 'M', 'L']),
      default: ['S', 'M', 'L'],
      help: 'S: 1 layer of 128 units, M: 2 of 256, L: 2 of 512',
    },
    streams: { kind: kinds.whole(10_000), help: 'streams through one model; default: 1, then 64' },
    ...engineOptions,
    threads: {
      kind: kinds.whole(256),
      help: 'threads that compute; default: 1 for one stream, else all processors',
    },
    seconds: { kind: kinds.seconds, default: 3, help: 'for how long to time each' },
    ...jsonOption,
  },
);

async function measure(size, streams) {
  const threads = options.threads ?? (streams === 1 ? 1 : undefined);
  const backend = await openBackend({ ...options, threads });
  const model = modelOf({ ...options, size });
  const { step, weightBytes } = createGeneration(backend, model, streams);
  // Some milliseconds a round: many rounds fit in, and a median of them does not mind an interruption.
  const round = Math.max(1, Math.ceil(5e6 / (multiplyAdds(model) * streams)));
  async function generateRound() {
    for (let i = 0; i < round; i++) await step();
  }
  await time(generateRound, Math.min(1, options.seconds / 5));
  const times = await time(generateRound, options.seconds);
  const { share, ...ratios } = await shareOfLoop(backend, model, streams, step);
  const rate = (seconds) => (round * streams) / seconds;
  const perSecond = rate(median(times));
  const ceiling = measureCeiling(backend);
  const reading = measureReading(backend, weightBytes);
  const { engine } = backend.describe();
  backend.close();
  return {
    size,
    ...model,
    streams,
    engine,
    threads: backend.threads ?? 1,
    tokens_per_second: Math.round(perSecond),
    best_tokens_per_second: Math.round(rate(Math.min(...times))),
    complete_share_of_loop: share,
    beams_of_samples: ratios.beams_of_samples ?? null,
    scores_by_calls_of_one: ratios.scores_by_calls_of_one ?? null,
    weight_bytes: weightBytes,
    read_bytes_per_second: (weightBytes * perSecond) / streams,
    core_read_bytes_per_second: reading,
    share_of_core_read: reading === null ? null : (weightBytes * perSecond) / streams / reading,
    operations_per_second: 2 * multiplyAdds(model) * perSecond,
    ceiling_operations_per_second: ceiling,
    share_of_ceiling: ceiling === null ? null : (2 * multiplyAdds(model) * perSecond) / ceiling,
  };
}

const stepsInTurn = 128;

/** Ratios of one run: what `complete` writes a second, of what the bare loop does: in turns, so that what else the machine does meets both. */
async function shareOfLoop(backend, model, streams, step) {
  const complete = await createCompletions(backend, model, streams);
  async function loop() {
    for (let i = 0; i < stepsInTurn; i++) await step();
  }
  const shares = [];
  await complete.write(stepsInTurn);
  for (let left = options.seconds; left > 0; ) {
    const [bare] = await time(loop, 0, 1);
    const [whole] = await time(() => complete.write(stepsInTurn), 0, 1);
    shares.push(bare / whole);
    left -= bare + whole;
  }
  const ratios = streams > 1 && streams <= 64 ? await ratiosOf(complete, streams) : null;
  await complete.close();
  return { share: median(shares), ...ratios };
}

/** What one call costs of another that is asked for the same in a better way, in turns. */
async function ratiosOf(complete, streams) {
  const tokens = 32;
  const works = {
    beams: () => complete.ask(tokens, { beam_width: streams }),
    samples: () => complete.ask(tokens, { n: streams, best_of: streams }),
    scores_by_calls: () => complete.score(streams),
    scores_by_one: () => complete.score(1),
  };
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let turn = 0; turn < 4; turn++)
    for (const [name, work] of Object.entries(works)) {
      const [seconds] = await time(work, 0, 1);
      // The first turn warms them up.
      if (turn > 0) times[name].push(seconds);
    }
  const of = (name) => median(times[name]);
  return {
    beams_of_samples: of('beams') / of('samples'),
    scores_by_calls_of_one: of('scores_by_calls') / of('scores_by_one'),
  };
}

const results = [];
for (const size of options.size)
  for (const streams of options.streams ? [options.streams] : [1, 64])
    results.push(await measure(size, streams));
const report = {
  benchmark: 'generate',
  tokens_per_second: results[0].tokens_per_second,
  results,
  peak_memory_bytes: peakMemoryBytes(),
  machine: describeMachine(),
};
if (options.json) console.log(JSON.stringify(report));
else {
  const heading = [
    'model',
    'engine',
    'streams',
    'threads',
    'tokens/s',
    'best',
    'complete',
    'beams',
    'calls',
    'GB/s read',
    'of a core',
    'GFLOP/s',
    'of the loop',
  ];
  const rows = results.map((row) => [
    `${row.cell} ${row.layers} × ${row.hidden}`,
    row.engine,
    `${row.streams}`,
    `${row.threads}`,
    format.whole(row.tokens_per_second),
    format.whole(row.best_tokens_per_second),
    format.share(row.complete_share_of_loop),
    row.beams_of_samples === null ? '–' : format.ratio(row.beams_of_samples),
    row.scores_by_calls_of_one === null ? '–' : format.ratio(row.scores_by_calls_of_one),
    format.giga(row.read_bytes_per_second),
    format.share(row.share_of_core_read),
    format.giga(row.operations_per_second),
    format.share(row.share_of_ceiling),
  ]);
  console.log(format.machine(report.machine));
  console.log(table([heading, ...rows]));
}
