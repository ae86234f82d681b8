// npm run bench:service: what the service costs beside what it does. Each part is a file in service/. See --help.
import { describeMachine, format } from './measure.mjs';
import { modelOf } from './model.mjs';
import { jsonOption, kinds, modelOptions, readOptions } from './options.mjs';
import { completions } from './service/completions.mjs';
import { fanout } from './service/fanout.mjs';
import { jobs } from './service/jobs.mjs';
import { startService } from './service/server.mjs';

/** { name, help, measure(service, options), print(result) }, one after another over one service. */
const parts = [completions, jobs, fanout];

const options = readOptions(
  'bench:service',
  `Starts a database and an API process of its own, and measures them. Parts: ${parts.map(({ name, help }) => `${name} (${help})`).join('; ')}.`,
  {
    part: {
      kind: kinds.listOf(parts.map(({ name }) => name)),
      default: parts.map(({ name }) => name),
      help: 'what to measure',
    },
    ...modelOptions,
    size: { ...modelOptions.size, default: 'M' },
    streams: { kind: kinds.whole(10_000), default: 64, help: 'requests at once' },
    tokens: { kind: kinds.whole(100_000), default: 256, help: 'tokens of an answer' },
    subscribers: { kind: kinds.whole(10_000), default: 1000, help: 'sockets that follow one run' },
    seconds: { kind: kinds.seconds, default: 6, help: 'for how long to measure each' },
    ...jsonOption,
  },
);

const service = await startService();
const results = {};
try {
  for (const part of parts)
    if (options.part.includes(part.name))
      results[part.name] = await part.measure(service, { ...options, model: modelOf(options) });
} finally {
  await service.stop();
}
const report = { benchmark: 'service', ...modelOf(options), ...results, machine: describeMachine() };
if (options.json) console.log(JSON.stringify(report));
else {
  console.log(format.machine(report.machine));
  for (const part of parts) if (results[part.name]) console.log(`\n${part.print(results[part.name])}`);
}
