// npm run learn:names: does a generator of surnames write what a reader of surnames takes for the right language?
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { completeSpec, exportWeights, LanguageModel, Predictor, train } from '@unfold/rnn';
import { describeMachine, format, openBackend, table } from '../bench/measure.mjs';
import { engineOptions, jsonOption, kinds, readOptions } from '../bench/options.mjs';
import { createRandom } from './random.mjs';

const purpose = `Trains a classification of names and, on other names, a conditional generation of them, lets the second write names of each language, and says how
many of them the first takes for that language, beside how many it recognises of real names that neither has seen.`;
const options = readOptions('learn:names', purpose, {
  folder: {
    kind: kinds.word,
    help: 'of text files, one a language and named after it, a name each line; must be given',
  },
  most: { kind: kinds.whole(100_000), default: 1000, help: 'names of a language, the others being left out' },
  generated: { kind: kinds.whole(10_000), default: 50, help: 'names to write of each language' },
  engine: engineOptions.engine,
  threads: { kind: kinds.whole(256), help: 'threads of the native engine' },
  ...jsonOption,
});
if (options.folder === undefined) {
  console.error('Expected --folder with the path of a folder of text files.');
  process.exit(2);
}

const shuffled = (list, random) =>
  list
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);

/** The names of each language in three parts, which have no name in common: to classify by, to write by, and to test with. */
function readParts() {
  const random = createRandom(1);
  return readdirSync(options.folder)
    .filter((file) => extname(file) === '.txt')
    .map((file) => {
      const lines = readFileSync(join(options.folder, file), 'utf8').split('\n');
      const names = shuffled([...new Set(lines.map((line) => line.trim()).filter(Boolean))], random);
      const chosen = names.slice(0, options.most);
      const [first, second] = [0.4, 0.85].map((share) => Math.round(share * chosen.length));
      return {
        language: basename(file, '.txt'),
        classified: chosen.slice(0, first),
        written: chosen.slice(first, second),
        unseen: chosen.slice(second),
      };
    });
}

/** The weights of the evaluation that went best. */
async function best(fields, records) {
  const scratch = mkdtempSync(join(tmpdir(), 'unfold-names-'));
  const data = join(scratch, 'names.jsonl');
  writeFileSync(data, records.map((record) => JSON.stringify(record)).join('\n'));
  const { training, ...rest } = fields;
  const spec = completeSpec({ ...rest, training: { batch_size: 64, evaluate_every: 100, ...training } });
  let weights;
  try {
    for await (const event of train({ spec, data, backend, scratch }))
      if (event.type === 'checkpoint' && event.best) weights = exportWeights(event.data);
    return weights;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const backend = await openBackend(options);
const parts = readParts();
const from = (part, make) => parts.flatMap((each) => each[part].map((name) => make(each.language, name)));

const classifier = await Predictor.load(
  await best(
    {
      task: 'classification',
      model: {
        cell: 'gru',
        hidden_size: 96,
        num_layers: 1,
        bidirectional: true,
        dropout: 0,
        embedding_size: 32,
      },
      training: { epochs: 12, optimizer: { learning_rate: 0.002 } },
    },
    from('classified', (label, input) => ({ input, label })),
  ),
  backend,
);
const generator = await LanguageModel.load(
  await best(
    {
      task: 'conditional_generation',
      model: { cell: 'lstm', hidden_size: 128, num_layers: 1, context: { inject: 'every_step' } },
      training: { epochs: 20, optimizer: { learning_rate: 0.003 } },
    },
    from('written', (context, text) => ({ context, text })),
  ),
  backend,
);

const isTakenFor = async (language, name) => (await classifier.predict(name)).label === language;
const shareOf = async (language, names) => {
  const answers = await Promise.all(names.map((name) => isTakenFor(language, name)));
  return answers.filter(Boolean).length / names.length;
};

async function write(language) {
  const names = [];
  for (let seed = 0; seed < options.generated; seed++) {
    let name = '';
    for await (const token of generator.generate({ prompt: '', context: language, max_tokens: 40, seed }))
      name += token.text;
    if (name !== '') names.push(name);
  }
  return names;
}

const rows = [];
for (const { language, written, unseen } of parts) {
  const names = await write(language);
  rows.push({
    language,
    unseen: await shareOf(language, unseen),
    generated: await shareOf(language, names),
    copied: names.filter((name) => written.includes(name)).length / names.length,
    examples: names.slice(0, 3),
  });
}
const mean = (field) => rows.reduce((sum, row) => sum + row[field], 0) / rows.length;
const result = {
  rows,
  unseen: mean('unseen'),
  generated: mean('generated'),
  chance: 1 / rows.length,
  engine: backend.describe().engine,
};
if (options.json) console.log(JSON.stringify({ ...result, machine: describeMachine() }));
else {
  const head = ['language', 'examples', 'real names recognised', 'generated ones', 'copied'];
  const lines = rows.map((row) => [
    row.language,
    row.examples.join(', '),
    ...[row.unseen, row.generated, row.copied].map(format.share),
  ]);
  console.log(table([head, ...lines]));
  console.log(
    `\nMean over languages: ${format.share(result.generated)} of generated names are taken for their language, ` +
      `${format.share(result.unseen)} of real ones, ${format.share(result.chance)} by chance. ${result.engine}`,
  );
}
classifier.close();
generator.close();
backend.close();
