import { styleOf } from './style.ts';

/** Figures with their names, a line each. */
export const namedLines = (lines: readonly (readonly [name: string, value: string])[]): string => {
  const width = Math.max(...lines.map(([name]) => name.length));
  const { dim } = styleOf(process.stdout);
  return lines.map(([name, value]) => `${dim(name.padEnd(width))}  ${value}`).join('\n');
};
