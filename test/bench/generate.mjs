// npm run bench:generate -- --size S|M|L [--cell …] [--streams N] [--engine …] [--threads N] [--seconds N] [--json]
// Tokens per second of generation: one step of every layer, the logits, and a draw, for `streams` sequences at once.
import { createBackend, createNative } from '@unfold/kernels';
import { describeMachine, median, readOptions, sizes, vocabulary } from './training-bench.mjs';

const options = readOptions({
  size: 'S',
  cell: 'lstm',
  streams: '1',
  engine: 'auto',
  threads: '1',
  seconds: '3',
  json: false,
});
const settings = { threads: Number(options.threads) };
const backend =
  options.engine === 'native' ? createNative(settings) : await createBackend(options.engine, settings);
const { layers, hidden } = sizes[options.size];
const [N, V] = [Number(options.streams), vocabulary];

function parameter(role) {
  const made = backend.createParameter(role);
  const size = made.shape.reduce((a, b) => a * b, 1);
  backend.upload(
    made,
    Float32Array.from({ length: size }, () => (2 * Math.random() - 1) / Math.sqrt(hidden)),
  );
  return made;
}
const stack = Array.from({ length: layers }, (_, k) => {
  const layer = {
    cell: options.cell,
    inputSize: k === 0 ? V : hidden,
    hiddenSize: hidden,
    input: k === 0 ? 'tokens' : 'dense',
  };
  return {
    layer,
    parameters: {
      weightIh: parameter({ use: 'weight_ih', layer }),
      weightHh: parameter({ use: 'weight_hh', layer }),
      biasIh: parameter({ use: 'recurrent_bias', layer }),
      biasHh: parameter({ use: 'recurrent_bias', layer }),
    },
    h: backend.createTensor([N, hidden]),
    c: options.cell === 'lstm' ? backend.createTensor([N, hidden]) : null,
  };
});
const weight = parameter({ use: 'dense', outputs: V, inputs: hidden });
const bias = parameter({ use: 'bias', size: V });
const tokens = backend.createTensor([N], 'int');
const logits = backend.createTensor([N, V]);

async function generateOne() {
  let input = tokens;
  for (const { layer, parameters, h, c } of stack) {
    backend.recurrentStep({ layer, parameters, input, h, c });
    input = h;
  }
  backend.denseForward({ input, weight, bias, output: logits });
  backend.logSoftmax({ logits, output: logits });
  const values = await backend.download(logits);
  const drawn = new Int32Array(N);
  for (let n = 0; n < N; n++) {
    let left = Math.random();
    let token = 0;
    while (token < V - 1) {
      left -= Math.exp(values[n * V + token]);
      if (left <= 0) break;
      token++;
    }
    drawn[n] = token;
  }
  backend.upload(tokens, drawn);
}

const rates = [];
const round = options.size === 'S' ? 2000 : 200;
for (let i = 0; i < round; i++) await generateOne();
const end = performance.now() + 1000 * Number(options.seconds);
while (performance.now() < end || rates.length < 5) {
  const start = performance.now();
  for (let i = 0; i < round; i++) await generateOne();
  rates.push((1000 * round * N) / (performance.now() - start));
}
const result = {
  size: options.size,
  cell: options.cell,
  streams: N,
  threads: backend.threads ?? 1,
  engine: backend.describe().engine,
  tokens_per_second: Math.round(median(rates)),
  best_tokens_per_second: Math.round(Math.max(...rates)),
  peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
  machine: describeMachine(),
};
if (options.json) console.log(JSON.stringify(result));
else
  console.log(
    `${result.cell} ${result.size}, ${N} streams on ${result.engine}, ${result.threads} threads: ${result.tokens_per_second} tokens/s ` +
      `(best ${result.best_tokens_per_second}); peak memory ${(result.peak_memory_bytes / 1e6).toFixed(0)} MB`,
  );
backend.close();
