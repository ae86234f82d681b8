import type { Config } from './read-config.ts';

type Secrets = Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl' | 'encryptionKey' | 'tracing'>>;

/** What a secret looks like that no configuration names: API keys, webhook secrets, credentials in headers and URLs. */
const shapes = [
  String.raw`\bunfold-[\w-]{43}`,
  String.raw`(?<=\bunfold\.key\.)[^\s",\\]+`,
  String.raw`\bwhsec_[\w+/=-]+`,
  String.raw`(?<=\b(?:bearer|basic)\s+)[^\s",\\]+`,
  String.raw`(?<=\b(?:postgres(?:ql)?|rediss?|https?):\/\/)[^\s"@/\\]+(?=@)`,
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

/** In a log's JSON a quote or a backslash is escaped. */
const asWritten = (secret: string): string => escaped(JSON.stringify(secret).slice(1, -1));

/**
 * Where a known secret is looked for: a long one everywhere, but not as a number or in one, whose JSON would break; a short one
 * after the name of what it opens, as in `password=unfold`. (In a URL it is found by its place.)
 */
const patternOf = (secret: string, names: string): string => {
  const noNumber = /^[\d.e+-]+$/i.test(secret) ? String.raw`(?<![\d.]|":)` : '';
  if (secret.length < shortestAnywhere)
    return String.raw`(?<=\b(?:${names})\W{1,8})${noNumber}${asWritten(secret)}(?![\w-])`;
  return noNumber === '' ? asWritten(secret) : String.raw`${noNumber}${asWritten(secret)}(?![\d.])`;
};

const passwordNames = String.raw`\w*pass(?:word|wd|phrase)?|pwd`;

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
  const secrets: [secret: string, names: string][] = [
    ...[adminKey ?? '', encryptionKey ?? '', ...passwordsOf(databaseUrl), ...passwordsOf(redisUrl)].map(
      (secret): [string, string] => [secret, passwordNames],
    ),
    ...Object.entries(tracing?.headers ?? {}).flatMap(([name, value]): [string, string][] =>
      [value, decoded(value)].map((each) => [each, escaped(name)]),
    ),
  ];
  const known = secrets
    .filter(([secret]) => secret !== '')
    .map(([secret, names]) => patternOf(secret, names));
  const pattern = new RegExp([...known, ...shapes].join('|'), 'gi');
  return (text) => text.replace(pattern, '[redacted]');
};
