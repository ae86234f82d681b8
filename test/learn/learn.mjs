// npm run learn: what each kind of network learns, and in how many steps.
import { describeMachine, format, median, openBackend, table } from '../bench/measure.mjs';
import { engineOptions, jsonOption, kinds, readOptions } from '../bench/options.mjs';
import { arrowTasks } from './arrow-tasks.mjs';
import { grammarTasks } from './grammar-tasks.mjs';
import { memoryTasks } from './memory-tasks.mjs';
import { solve } from './solve.mjs';

const purpose = `Trains networks on tasks whose answers are known, until they are solved or their training steps are used up, seed after seed, and says what
was reached, in how many steps, and what was expected. Data is generated; nothing else is needed. It takes about half an hour on two cores.`;
const groups = { memory: memoryTasks, grammar: grammarTasks, arrows: arrowTasks };
const options = readOptions('learn', purpose, {
  tasks: { kind: kinds.listOf(Object.keys(groups)), default: Object.keys(groups), help: 'groups of tasks' },
  network: { kind: kinds.word, help: 'only networks whose name holds this' },
  seeds: { kind: kinds.listOf(['1', '2', '3']), default: ['1', '2', '3'], help: 'a run for each' },
  steps: { kind: kinds.whole(1_000_000), help: "most training steps, in place of each task's own" },
  engine: engineOptions.engine,
  threads: { kind: kinds.whole(256), help: 'threads of the native engine' },
  ...jsonOption,
});
const backend = await openBackend(options);
const seeds = options.seeds.map(Number);

/** One network on one task: a run for each seed. */
async function measure(task, network) {
  const start = performance.now();
  const runs = [];
  for (const seed of seeds)
    runs.push({ seed, ...(await solve({ task, network, seed, backend, steps: options.steps })) });
  return {
    task: task.name,
    network: network.name,
    budget: options.steps ?? task.steps,
    runs,
    expected: network.expected,
    as_expected: runs.every(({ solvedAt }) => (solvedAt !== null) === network.expected),
    seconds: (performance.now() - start) / 1000,
  };
}

const show = ({ task, network, budget, runs, expected, as_expected }) => {
  const solved = runs.flatMap(({ solvedAt }) => solvedAt ?? []);
  return [
    task,
    network,
    `${solved.length} of ${runs.length}`,
    solved.length > 0 ? format.whole(median(solved)) : '–',
    format.whole(budget),
    runs.map(({ best }) => best?.toPrecision(3) ?? '–').join(' '),
    expected ? 'solves' : 'fails',
    as_expected ? 'yes' : 'NO',
  ];
};

const rows = [];
for (const task of options.tasks.flatMap((group) => groups[group]))
  for (const network of task.networks) {
    if (options.network && !network.name.toLowerCase().includes(options.network.toLowerCase())) continue;
    const row = await measure(task, network);
    rows.push(row);
    if (!options.json) console.error(`${show(row).join('  ')}  (${row.seconds.toFixed(0)} s)`);
  }
const { engine } = backend.describe();
if (options.json) console.log(JSON.stringify({ rows, engine, machine: describeMachine() }));
else {
  const head = ['task', 'network', 'solved', 'in steps', 'of', 'best by seed', 'expected', 'as expected'];
  console.log(`\n${table([head, ...rows.map(show)])}\n\n${engine}, ${format.machine(describeMachine())}`);
}
backend.close();
