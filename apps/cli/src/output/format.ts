/** `1,234` */
export const formatNumber = (value: number): string => Math.round(value).toLocaleString('en-US');

const sizes = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.2 MB`, in powers of 1000. */
export const formatBytes = (bytes: number): string => {
  const power = bytes < 1 ? 0 : Math.min(sizes.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(value < 9.95 ? 1 : 0)} ${sizes[power]}`;
};

/** `0:41`, `12:05`, `1:02:03` */
export const formatDuration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(rest).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
};

const ages = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3600 },
  { name: 'min', seconds: 60 },
];

/** `3 min ago`, of a time in milliseconds. */
export const formatAge = (time: number, now: number): string => {
  const seconds = Math.max(0, (now - time) / 1000);
  const age = ages.find((each) => seconds >= each.seconds);
  return age ? `${Math.floor(seconds / age.seconds)} ${age.name} ago` : 'just now';
};

/** Control characters, which a terminal would obey, are shown as what they are not: text. Line breaks and tabs stay. */
export const harmless = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '\uFFFD');

/** At most `width` characters on one line. */
export const oneLine = (text: string, width: number): string => {
  const line = [...harmless(text).replaceAll(/\s+/g, ' ').trim()];
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1)).join('')}…` : line.join('');
};
