import type { Config } from './read-config.ts';

type Secrets = Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl' | 'encryptionKey' | 'tracing'>>;

interface Shape {
  pattern: string;
  /** Something quickly looked for that stands in every text in which the pattern finds anything. */
  sign: string;
}

/** What a secret looks like that no configuration names: API keys, webhook secrets, credentials in headers and URLs. */
const shapes: Shape[] = [
  { pattern: String.raw`\bunfold-[\w-]{43}`, sign: String.raw`unfold-[\w-]{43}` },
  { pattern: String.raw`(?<=\bunfold\.key\.)[^\s",\\]+`, sign: String.raw`unfold\.key\.` },
  { pattern: String.raw`\bwhsec_[\w+/=-]+`, sign: 'whsec_' },
  { pattern: String.raw`(?<=\b(?:bearer|basic)\s+)[^\s",\\]+`, sign: String.raw`(?:bearer|basic)\s` },
  {
    pattern: String.raw`(?<=\b(?:postgres(?:ql)?|rediss?|https?):\/\/)[^\s"@/\\]+(?=@)`,
    sign: String.raw`:\/\/`,
  },
];

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // A bare `%` is accepted in a URL, and means itself.
    return text;
  }
};

/** The password of a URL as it stands there and as it is meant. */
const passwordsOf = (url: string | null | undefined): string[] => {
  if (!url || !URL.canParse(url)) return [];
  const { password } = new URL(url);
  return [password, decoded(password)];
};

/** What is shorter is found in ordinary words, so that replacing it everywhere would spoil the log and protect nothing. */
const shortestAnywhere = 12;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** What stands before a short secret. */
type Names = Shape;

/** In a log's JSON a quote or a backslash is escaped. */
const asWritten = (secret: string): string => escaped(JSON.stringify(secret).slice(1, -1));

/**
 * Where a known secret is looked for: a long one everywhere, but not as a number or in one, whose JSON would break; a short one
 * after the name of what it opens, as in `password=unfold`. (In a URL it is found by its place.)
 */
const shapeOf = (secret: string, names: Names): Shape => {
  const noNumber = /^[\d.e+-]+$/i.test(secret) ? String.raw`(?<![\d.]|":)` : '';
  const written = asWritten(secret);
  if (secret.length < shortestAnywhere)
    return {
      pattern: String.raw`(?<=\b(?:${names.pattern})\W{1,8})${noNumber}${written}(?![\w-])`,
      sign: names.sign,
    };
  return {
    pattern: noNumber === '' ? written : String.raw`${noNumber}${written}(?![\d.])`,
    sign: written,
  };
};

const passwordNames: Names = { pattern: String.raw`\w*pass(?:word|wd|phrase)?|pwd`, sign: 'pass|pwd' };

/**
 * Replaces secrets by `[redacted]` wherever they stand in a text: those of the configuration, and whatever has the shape of one. For the last
 * step before a log is written, so that no caller has to think of it. What was a line of JSON stays one.
 */
export const createRedactor = ({
  adminKey,
  databaseUrl,
  redisUrl,
  encryptionKey,
  tracing,
}: Secrets): ((text: string) => string) => {
  const secrets: [secret: string, names: Names][] = [
    ...[adminKey ?? '', encryptionKey ?? '', ...passwordsOf(databaseUrl), ...passwordsOf(redisUrl)].map(
      (secret): [string, Names] => [secret, passwordNames],
    ),
    ...Object.entries(tracing?.headers ?? {}).flatMap(([name, value]): [string, Names][] => {
      const names = { pattern: escaped(name), sign: escaped(name) };
      return [value, decoded(value)].map((each) => [each, names]);
    }),
  ];
  const known = secrets.filter(([secret]) => secret !== '').map(([secret, names]) => shapeOf(secret, names));
  const all = [...known, ...shapes];
  const pattern = new RegExp(all.map((shape) => shape.pattern).join('|'), 'gi');
  // Looking behind at every character costs ten times as much, and hardly any line has a secret.
  const sign = new RegExp(all.map((shape) => shape.sign).join('|'), 'i');
  return (text) => (sign.test(text) ? text.replace(pattern, '[redacted]') : text);
};
