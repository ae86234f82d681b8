import type { Config } from './read-config.ts';

type Secrets = Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl' | 'encryptionKey' | 'tracing'>>;

interface Shape {
  pattern: string;
  /** Something quickly looked for that stands in every text in which the pattern finds anything. */
  sign: string;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The percent of a byte in a URL, which is encoded itself where a URL stands in a URL. */
const percent = '%(?:25){0,3}';

/** Every line that holds anything percent-encoded is looked through, so that no other sign has to care. */
const percentSign = '%[\\da-f]{2}';

/** In a log's JSON a quote or a backslash is escaped; in a form's text a space is a plus. */
const asWritten = (character: string): string =>
  character === ' ' ? '[ +]' : escaped(JSON.stringify(character).slice(1, -1));

const percentEncoded = (character: string): string =>
  [...Buffer.from(character)].map((byte) => percent + byte.toString(16).padStart(2, '0')).join('');

/** A text of which any character may be percent-encoded; large and small letters count as the same there too. */
const anyForm = (text: string): string =>
  [...text]
    .map((character) => {
      const cases = new Set([character.toLowerCase(), character.toUpperCase()]);
      return `(?:${[asWritten(character), ...[...cases].map(percentEncoded)].join('|')})`;
    })
    .join('');

/** The characters of base64url, percent-encoded. */
const encodedKeyCharacter = String.raw`${percent}(?:2d|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\da])`;

/** What stands between a scheme of authorization and its secret: white space as text, JSON and URLs write it, or a quote's beginning. */
const gap = String.raw`(?:\s|\+|${percent}(?:20|09|0[ad]|2b)|\\{1,8}[bfnrt]|(?:\\\\){0,4}\\"){1,8}`;

const secretFields = '(?:x-api-key|(?:proxy-)?authorization|(?:set-)?cookie)';

/** A character of a JSON string, and one of a JSON string inside of a JSON string. */
const inString = String.raw`(?:[^"\\]|\\.)`;
const inQuotedString = String.raw`(?:[^"\\]|\\[^"\\]|\\\\(?:\\.|[^"\\]))`;

/** The quote of a JSON string inside of JSON strings: behind an odd number of backslashes, an even one ends the line's own string. */
const innerQuote = String.raw`(?:\\\\){0,8}\\"`;

const fieldSign = String.raw`(?:x-api-key|authorization|cookie)\\*"`;

/**
 * What a secret looks like that no configuration names: API keys, webhook secrets, credentials in headers and URLs. None asks for the border
 * of a word before it, which the `n` of an escaped line's end or the `0` of a `%20` would take away.
 */
const shapes: Shape[] = [
  // A header's whole value, and all values of one that stands several times.
  { pattern: String.raw`(?<="${secretFields}":\s?")${inString}+(?=")`, sign: fieldSign },
  {
    pattern: String.raw`(?<="${secretFields}":\s?\[")${inString}*(?:",\s?"${inString}*)*(?="\])`,
    sign: fieldSign,
  },
  {
    pattern: String.raw`(?<=\\"${secretFields}${innerQuote}:\s?${innerQuote})${inQuotedString}+`,
    sign: fieldSign,
  },
  {
    pattern: String.raw`(?<=\\"${secretFields}\\":\s?\[\\")${inQuotedString}*(?:\\",\s?\\"${inQuotedString}*)*(?=\\"\])`,
    sign: fieldSign,
  },
  {
    pattern: String.raw`${anyForm('unfold-')}(?:[\w-]|${encodedKeyCharacter}){43}`,
    sign: String.raw`unfold-[\w-]{43}`,
  },
  { pattern: String.raw`(?<=${anyForm('unfold.key.')})[^\s",\\]+`, sign: String.raw`unfold\.key\.` },
  {
    pattern: String.raw`${anyForm('whsec_')}(?:[\w+/=-]|${percent}2[bf]|${percent}3d|${encodedKeyCharacter})+`,
    sign: 'whsec_',
  },
  {
    pattern: String.raw`(?<=(?:${anyForm('bearer')}|${anyForm('basic')})${gap})[^\s",\\]+`,
    sign: String.raw`(?:bearer|basic)[\s+\\]`,
  },
  { pattern: String.raw`(?<=:\/\/)[^\s"/\\]+(?=@)`, sign: String.raw`:\/\/` },
  // A password with a slash, which is none if what follows the colon may be a port.
  {
    pattern: String.raw`(?<=:\/\/)[^\s"@/\\:?#[\]]*:(?!\d{0,5}[/?#])[^\s"@\\]{1,256}(?=@)`,
    sign: String.raw`:\/\/`,
  },
  {
    pattern: String.raw`(?<=(?::|${percent}3a)(?:${percent}2f){2})(?:(?!${percent}(?:40|2f))[^\s"@/\\])+(?=@|${percent}40)`,
    sign: percentSign,
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

/** What stands before a short secret. */
type Names = Shape;

/** Not in the midst of an escape, whose rest would break the line's JSON. */
const wholeCharacter = String.raw`(?<!(?:^|[^\\])(?:\\\\)*\\)`;

/**
 * Where a known secret is looked for: a long one everywhere, but not as a value or in one that JSON writes without quotes; a short one
 * after the name of what it opens, as in `password=unfold`. (In a URL it is found by its place.)
 */
const shapeOf = (secret: string, names: Names): Shape => {
  const unquoted = /^(?:[\d.e+-]+|true|false|null)$/i.test(secret);
  const [first = ''] = secret;
  // The first character is looked at first: looking behind at every one costs more.
  const found = `(?=${anyForm(first)})${wholeCharacter}${unquoted ? String.raw`(?<![\d.]|":\[?-?)` : ''}${anyForm(secret)}`;
  if (secret.length < shortestAnywhere)
    return {
      pattern: String.raw`(?<=(?:${names.pattern})(?:\W|${percentSign}|\\[bfnrt]){1,8})${found}(?![\w-])`,
      sign: names.sign,
    };
  return {
    pattern: unquoted ? String.raw`${found}(?![\d.])` : found,
    sign: [...secret].map(asWritten).join(''),
  };
};

const passwordNames: Names = { pattern: 'pass(?:word|wd|phrase)?|pwd', sign: 'pass|pwd' };

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
  const sign = new RegExp([...new Set(all.map((shape) => shape.sign)), percentSign].join('|'), 'i');
  return (text) => (sign.test(text) ? text.replace(pattern, '[redacted]') : text);
};
