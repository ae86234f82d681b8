const unstorable = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

const clean = (text: string): string => text.replace(unstorable, '\uFFFD');

const cleanValue = (value: unknown): unknown => {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.map(cleanValue);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [clean(key), cleanValue(inner)]));
};

/** JSON text that PostgreSQL takes and can read as text: U+0000 and lone surrogates, which generated text may hold, become U+FFFD. */
export const toJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  // Both appear in JSON text only as escapes, so most values need no second look.
  return /\\u(0000|d[89a-f])/i.test(text) ? JSON.stringify(cleanValue(JSON.parse(text))) : text;
};
