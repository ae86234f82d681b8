// Languages: a network is right when what it writes belongs to the language, and it writes each kind of sentence.
import { repeat, whole } from './random.mjs';

const network = (cell, hidden_size) => ({ cell, hidden_size, num_layers: 1 });

/** Reber's grammar (1967): from each state, two letters and where they lead. */
const states = [
  [['T', 1], ['P', 2]],
  [['S', 1], ['X', 3]],
  [['T', 2], ['V', 4]],
  [['X', 2], ['S', 5]],
  [['P', 3], ['V', 5]],
]; // biome-ignore format: one state a line

const reber = (random) => {
  let [text, state] = ['B', 0];
  while (state !== 5) {
    const [letter, next] = states[state][whole(random, 0, 1)];
    text += letter;
    state = next;
  }
  return `${text}E`;
};

/** Where a sentence of Reber's grammar that begins at `at` ends, or −1. */
const endOfReber = (text, at) => {
  if (text[at] !== 'B') return -1;
  let state = 0;
  for (let place = at + 1; place < text.length; place++) {
    if (state === 5) return text[place] === 'E' ? place + 1 : -1;
    const arrow = states[state].find(([letter]) => letter === text[place]);
    if (!arrow) return -1;
    state = arrow[1];
  }
  return -1;
};

/** B, T or P, a sentence of Reber's, the same T or P again, E: the second letter must be kept through the whole sentence. */
const embedded = (random) => {
  const kept = whole(random, 0, 1) ? 'T' : 'P';
  return `B${kept}${reber(random)}${kept}E`;
};
const isEmbedded = (text) => {
  const end = endOfReber(text, 2);
  return /^B[TP]/.test(text) && end > 0 && text.slice(end) === `${text[1]}E`;
};

const shareOf = (texts, belongs) => texts.filter(belongs).length / texts.length;

/** `count` sentences that the model writes from nothing. */
const write = async (model, count, prompt = '') => {
  const texts = [];
  for (let seed = 0; seed < count; seed++) {
    let text = '';
    for await (const token of model.generate({ prompt, max_tokens: 100, seed, temperature: prompt ? 0 : 1 }))
      text += token.text;
    texts.push(prompt + text);
  }
  return texts;
};

const grammar = {
  name: 'embedded Reber grammar',
  measure: 'sentences that belong to it, of 200',
  judge: async (model) => shareOf(await write(model, 200), isEmbedded),
  solved: (share) => share >= 0.99,
  better: Math.max,
  steps: 5000,
  spec: {
    task: 'language_model',
    text: { sequences: 'lines' },
    training: { batch_size: 50, optimizer: { learning_rate: 0.005 } },
  },
  record: embedded,
  networks: [
    { name: 'LSTM', model: network('lstm', 32), expected: true },
    { name: 'GRU', model: network('gru', 32), expected: true },
    { name: 'Elman, tanh', model: network('elman', 32), expected: true },
  ],
};

const longest = 12;

/** a^n b^n, n up to 12: given the first b after n letters a, the model must write the others and stop (Gers and Schmidhuber 2001). */
const counting = {
  name: `a^n b^n, n ≤ ${longest}`,
  measure: `right endings of n = 1…${longest}`,
  async judge(model) {
    const texts = [];
    for (let n = 1; n <= longest; n++) texts.push(...(await write(model, 1, `${'a'.repeat(n)}b`)));
    return shareOf(texts, (text) => {
      const runs = /^(a*)(b*)$/.exec(text);
      return runs !== null && runs[1].length === runs[2].length;
    });
  },
  solved: (share) => share === 1,
  better: Math.max,
  steps: 4000,
  spec: {
    task: 'language_model',
    text: { sequences: 'lines' },
    training: { batch_size: 50, optimizer: { learning_rate: 0.005 } },
  },
  record: (random) => {
    const n = whole(random, 1, longest);
    return ['a', 'b'].flatMap((letter) => repeat(n, () => letter)).join('');
  },
  networks: [
    { name: 'LSTM', model: network('lstm', 16), expected: true },
    { name: 'GRU', model: network('gru', 16), expected: true },
    { name: 'Elman, tanh', model: network('elman', 16), expected: true },
  ],
};

export const grammarTasks = [grammar, counting];
