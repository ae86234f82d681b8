import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** A spec in the making. */
export type Draft = Record<string, unknown>;

export const usage = (message: string): CommandError => new CommandError(message, exitCodes.usage);

export const isObject = (value: unknown): value is Draft =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Sets a field by its path. What is in the way and no object is replaced. */
export const setField = (draft: Draft, path: string, value: unknown): void => {
  const names = path.split('.');
  const last = names.pop() as string;
  let place = draft;
  for (const name of names) {
    const inner = Object.hasOwn(place, name) ? place[name] : undefined;
    const next: Draft = isObject(inner) ? inner : {};
    // Defined, not assigned, so that no name means a prototype.
    Object.defineProperty(place, name, { value: next, enumerable: true, writable: true, configurable: true });
    place = next;
  }
  Object.defineProperty(place, last, { value, enumerable: true, writable: true, configurable: true });
};

/** Numbers, true, null, lists and objects are JSON; everything else is text. */
export const parseValue = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};
