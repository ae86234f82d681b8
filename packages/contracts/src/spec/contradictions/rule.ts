import type { CompletedSpec } from '../spec-fields.ts';

/** A pair of options that exclude each other: the field at fault, and a sentence that names both. */
export type Found = readonly [field: string, message: string];
export type Rule = (spec: CompletedSpec) => Found | null;

export const quoted = (value: unknown): string => JSON.stringify(value);

/** Writes text one token after another, so that x_t already is y_{t−1}. */
export const writesText = ({ task }: CompletedSpec): boolean =>
  task === 'language_model' || task === 'conditional_generation';

/** Reads one endless text or series in windows. */
export const readsWindows = ({ task, text }: CompletedSpec): boolean =>
  task === 'forecasting' || (task === 'language_model' && text.sequences === 'whole');

/** `field`, which is set to something, needs `other` to be one of a few values. */
export const needs = (
  field: string,
  value: unknown,
  other: string,
  allowed: readonly string[],
  received: unknown,
): Found => {
  const choice = allowed.map(quoted).join(' or ');
  const name = typeof value === 'string' ? `${field} ${quoted(value)}` : field;
  return [field, `${name} needs ${other} ${choice}, but received ${quoted(received)}.`];
};

export const excludes = (
  field: string,
  value: unknown,
  other: string,
  received: unknown,
  why: string,
): Found => [field, `${field} ${quoted(value)} and ${other} ${quoted(received)} exclude each other: ${why}.`];
