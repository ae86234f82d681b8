import type { Config } from './read-config.ts';

type Secrets = Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl' | 'encryptionKey'>>;

/** What a secret looks like that no configuration names: API keys, webhook secrets, credentials in headers and URLs. */
const shapes = [
  String.raw`\bunfold-[\w-]{43}`,
  String.raw`(?<=\bunfold\.key\.)[^\s",\\]+`,
  String.raw`\bwhsec_[\w+/=-]+`,
  String.raw`(?<=\b(?:bearer|basic)\s+)[^\s",\\]+`,
  String.raw`(?<=\b(?:postgres(?:ql)?|rediss?|https?):\/\/)[^\s"@/\\]+(?=@)`,
];

/** The password of a URL as it stands there and as it is meant. */
const passwordsOf = (url: string | null | undefined): string[] => {
  if (!url || !URL.canParse(url)) return [];
  const { password } = new URL(url);
  return [password, decodeURIComponent(password)];
};

/** Shorter ones would be found in ordinary words, and protect nothing. */
const shortest = 6;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Replaces secrets by `[redacted]` wherever they stand in a text: those of the configuration, and whatever has the shape of one. For the last
 * step before a log is written, so that no caller has to think of it.
 */
export const createRedactor = ({
  adminKey,
  databaseUrl,
  redisUrl,
  encryptionKey,
}: Secrets): ((text: string) => string) => {
  const known = [adminKey ?? '', encryptionKey ?? '', ...passwordsOf(databaseUrl), ...passwordsOf(redisUrl)]
    .filter((secret) => secret.length >= shortest)
    // In a log's JSON a quote or a backslash is escaped.
    .map((secret) => escaped(JSON.stringify(secret).slice(1, -1)));
  const pattern = new RegExp([...known, ...shapes].join('|'), 'gi');
  return (text) => text.replace(pattern, '[redacted]');
};
