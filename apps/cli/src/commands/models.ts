import type { ModelResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge, formatBytes, formatNumber } from '../output/format.ts';
import { print, printJson, printList } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import type { Column } from '../output/table.ts';
import { withUploads } from '../output/upload-file.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';
import { saveWeights } from './weights.ts';

const columns = (now: number): Column<ModelResource>[] => [
  { name: 'model', cell: ({ id }) => id },
  { name: 'name', cell: ({ name }) => name ?? styleOf(process.stdout).dim('–') },
  { name: 'task', cell: ({ spec }) => spec?.task ?? '', spare: 2 },
  {
    name: 'network',
    cell: ({ spec }) =>
      spec === null ? '' : `${spec.model.cell} ${spec.model.num_layers}×${spec.model.hidden_size}`,
  },
  { name: 'parameters', right: true, cell: ({ parameters }) => formatNumber(parameters), spare: 3 },
  { name: 'size', right: true, cell: ({ bytes }) => formatBytes(bytes), spare: 4 },
  { name: 'validation', right: true, cell: ({ validation_loss: loss }) => loss?.toFixed(3) ?? '' },
  { name: 'created', cell: ({ created }) => formatAge(created * 1000, now), spare: 1 },
];

const listModels = async ({ limit, ...service }: ServiceOptions & { limit: number }): Promise<void> => {
  const unfold = await findService(service);
  printList(await collect(unfold.models.all(), limit), columns(Date.now()), {
    json: service.json,
    none: 'No models. Train one with `unfold train FILE`.',
  });
};

const deleteModels = async (models: string[], service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const deleted = [];
  for (const model of models) {
    deleted.push(await unfold.models.delete(model));
    if (!service.json) print(`${deleted.at(-1)?.id}  deleted`);
  }
  if (service.json) printJson({ object: 'list', data: deleted, has_more: false });
};

/** Prints the id alone, for scripts. */
const importModel = async (
  path: string,
  { name, ...service }: ServiceOptions & { name?: string },
): Promise<void> => {
  const unfold = await findService(service);
  const model = await withUploads(unfold, async (upload) =>
    unfold.models.import({ file: await upload(path, 'model'), ...(name !== undefined && { name }) }),
  );
  if (service.json) printJson(model);
  else print(model.id);
};

/** `unfold models`, `weights` */
export const addModelCommands = (program: Command): void => {
  const models = program.command('models').description('Lists, imports and deletes models.');
  withService(models.command('list', { isDefault: true }))
    .description('Lists models, newest first (default).')
    .option('--limit <number>', 'at most so many', integer(1, 100_000), 20)
    .action(listModels);
  withService(models.command('delete'))
    .argument('<model...>', "models' ids, or names (the newest of a name)")
    .description('Deletes models.')
    .action(deleteModels);
  withService(models.command('import'))
    .argument('<path>', 'a safetensors file, as `unfold weights` or PyTorch wrote it')
    .option('--name <name>', 'the name that the model answers to')
    .description('Makes a model of weights, and prints its id.')
    .action(importModel);
  withExamples(
    models,
    'unfold models',
    'unfold models import moby-dick.safetensors --name whale',
    'unfold models delete whale',
  );

  withExamples(
    withService(program.command('weights'))
      .argument('<model>', "a model's name or id, or a checkpoint's id")
      .option('-o, --output <path>', 'where to; - writes to stdout (default: MODEL.safetensors)')
      .description('Saves weights as safetensors.')
      .action(saveWeights),
    'unfold weights moby-dick -o whale.safetensors',
    'unfold weights moby-dick -o - | sha256sum',
  );
};
