import { UnfoldError } from '@unfold/contracts';

const loneSurrogate = /\p{Surrogate}/u;

/**
 * Refuses U+0000 and lone surrogates anywhere in a request, names of fields included: PostgreSQL stores neither, and
 * so no route has to think of them. Walks with a stack of its own, since a body may be nested deeper than ours goes.
 */
export const refuseUnstorableText = (root: unknown): void => {
  const open: { value: unknown; path: string }[] = [{ value: root, path: '' }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path } = next;
    if (typeof value === 'string') refuse(value, path);
    else if (Array.isArray(value))
      for (const [index, entry] of value.entries()) open.push({ value: entry, path: `${path}[${index}]` });
    else if (value !== null && typeof value === 'object')
      for (const [key, entry] of Object.entries(value)) {
        refuse(key, path);
        open.push({ value: entry, path: path === '' ? key : `${path}.${key}` });
      }
  }
};

const refuse = (text: string, path: string): void => {
  const param = path === '' ? null : path.slice(0, 200);
  const where = param ?? 'the request';
  if (text.includes('\u0000'))
    throw new UnfoldError('invalid_value', `${where}: expected text without the character U+0000.`, {
      param,
    });
  if (loneSurrogate.test(text))
    throw new UnfoldError(
      'invalid_value',
      `${where}: expected valid Unicode, but received a lone surrogate.`,
      {
        param,
      },
    );
};
