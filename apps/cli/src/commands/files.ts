import type { FileResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge, formatBytes, formatNumber, harmless } from '../output/format.ts';
import { print, printJson, printList } from '../output/print.ts';
import type { Column } from '../output/table.ts';
import { uploadFile } from '../output/upload-file.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';

const columns = (now: number): Column<FileResource>[] => [
  { name: 'file', cell: ({ id }) => id },
  { name: 'filename', cell: ({ filename }) => filename },
  { name: 'size', right: true, cell: ({ bytes }) => formatBytes(bytes) },
  {
    name: 'characters',
    right: true,
    spare: 2,
    cell: ({ characters }) => (characters === null ? 'not UTF-8' : formatNumber(characters)),
  },
  { name: 'lines', right: true, cell: ({ lines }) => formatNumber(lines), spare: 3 },
  { name: 'purpose', cell: ({ purpose }) => purpose, spare: 4 },
  { name: 'created', cell: ({ created_at }) => formatAge(created_at * 1000, now), spare: 1 },
];

const listFiles = async ({ limit, ...service }: ServiceOptions & { limit: number }): Promise<void> => {
  const unfold = await findService(service);
  printList(await collect(unfold.files.all(), limit), columns(Date.now()), {
    json: service.json,
    none: 'No files. Upload one with `unfold files upload PATH`.',
  });
};

/** Prints the ids alone, for scripts. */
const uploadFiles = async (paths: string[], service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const uploaded: FileResource[] = [];
  for (const path of paths) {
    const id = await uploadFile(unfold, path, 'training');
    if (service.json) uploaded.push(await unfold.files.get(id));
    else print(id);
  }
  if (service.json) printJson({ object: 'list', data: uploaded, has_more: false });
};

const previewFile = async (
  id: string,
  { characters, ...service }: ServiceOptions & { characters: number },
): Promise<void> => {
  const preview = await (await findService(service)).files.preview(id, { characters });
  if (service.json) return printJson(preview);
  const { isTTY } = process.stdout;
  print(isTTY ? harmless(preview.text) : preview.text);
};

const deleteFiles = async (ids: string[], service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const deleted = [];
  for (const id of ids) {
    deleted.push(await unfold.files.delete(id));
    if (!service.json) print(`${id}  deleted`);
  }
  if (service.json) printJson({ object: 'list', data: deleted, has_more: false });
};

/** `unfold files` */
export const addFileCommands = (program: Command): void => {
  const files = program.command('files').description('Lists, uploads, shows and deletes data.');
  withService(files.command('list', { isDefault: true }))
    .description('Lists files, newest first (default).')
    .option('--limit <number>', 'at most so many', integer(1, 100_000), 20)
    .action(listFiles);
  withService(files.command('upload'))
    .argument('<path...>', 'files on this machine')
    .description('Uploads files, and prints their ids.')
    .action(uploadFiles);
  withService(files.command('preview'))
    .argument('<file>', 'its id')
    .option('--characters <number>', 'how many characters', integer(1, 100_000), 1000)
    .description('Prints the beginning of a file.')
    .action(previewFile);
  withService(files.command('delete'))
    .argument('<file...>', 'their ids')
    .description('Deletes files that no unfinished job uses.')
    .action(deleteFiles);
  withExamples(
    files,
    'unfold files',
    'FILE=$(unfold files upload moby-dick.txt)',
    'unfold files preview $FILE --characters 200',
  );
};
