const counts = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const dates = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });
const times = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

/** 12,345 */
export const count = (value: number): string => counts.format(value);

/** 12.3K */
export const short = (value: number): string => compact.format(value);

/** A measured number with four significant digits. */
export const measure = (value: number | null | undefined): string => {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  if (size >= 1000) return count(value);
  return String(Number(value.toPrecision(4)));
};

/** 45s, 3m 20s, 2h 5m, 3d 4h */
export const duration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
};

const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** 3 min. ago */
export const ago = (time: string, now = Date.now()): string => {
  const seconds = (Date.parse(time) - now) / 1000;
  const unit = units.find(([, size]) => Math.abs(seconds) >= size);
  return unit ? relative.format(Math.round(seconds / unit[1]), unit[0]) : 'just now';
};

export const dateTime = (time: string): string => dates.format(new Date(time));
export const clock = (time: string): string => times.format(new Date(time));

/** 1.2 MB */
export const bytes = (value: number): string => {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  const place = Math.min(names.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${Number((value / 1000 ** place).toPrecision(3))} ${names[place]}`;
};
