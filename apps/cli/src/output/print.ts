import { styleOf } from './style.ts';
import { type Column, drawTable } from './table.ts';

/** A result: what a script reads, on stdout. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** What a person is told beside the result, on stderr. */
export const tell = (text: string): void => void process.stderr.write(`${text}\n`);

/** One JSON document, or one line of JSON Lines. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** A list as an API answers it, or as a table; `none` is told where it is empty. */
export const printList = <T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  { json = false, none }: { json?: boolean | undefined; none: string },
): void => {
  const { stdout } = process;
  const width = stdout.isTTY ? { columns: stdout.columns } : {};
  if (json) printJson({ object: 'list', data: items, has_more: false });
  else if (items.length === 0) tell(none);
  else print(drawTable(items, columns, { style: styleOf(stdout), ...width }).join('\n'));
};
