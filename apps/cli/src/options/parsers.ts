import { InvalidArgumentError } from 'commander';

/** An option's integer between two bounds. */
export const integer =
  (minimum: number, maximum: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected an integer from ${minimum} to ${maximum}.`);
  };

/** An option's number between two bounds. */
export const decimal =
  (minimum: number, maximum: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a number from ${minimum} to ${maximum}.`);
  };

/** An option that may be given several times. */
export const several = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** `one,two` */
export const names = (text: string): string[] => {
  const given = text.split(',').map((name) => name.trim());
  if (given.every((name) => name !== '')) return given;
  throw new InvalidArgumentError('Expected names with commas between them.');
};

/** `key=value`, several times. */
export const labels = (text: string, before: Record<string, string> = {}): Record<string, string> => {
  const [key, value] = text.split(/=(.*)/s);
  if (key && value !== undefined) return { ...before, [key]: value };
  throw new InvalidArgumentError('Expected key=value.');
};
