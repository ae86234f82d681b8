import { useCallback, useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';

export const axes = { step: 'Steps', time: 'Training time', tokens: 'Tokens' } as const;
export type Axis = keyof typeof axes;

/** How curves are drawn. */
export interface Settings {
  axis: Axis;
  /** Weight of what came before, from 0 to 0.99. */
  smoothing: number;
  log: boolean;
}

const read = (query: URLSearchParams): Settings => {
  const axis = query.get('x');
  const smoothing = Number(query.get('smooth') ?? 0.6);
  return {
    axis: axis === 'time' || axis === 'tokens' ? axis : 'step',
    smoothing: smoothing >= 0 && smoothing <= 0.99 ? smoothing : 0.6,
    log: query.get('log') === '1',
  };
};

const write = (query: URLSearchParams, { axis, smoothing, log }: Settings): URLSearchParams => {
  const next = new URLSearchParams(query);
  for (const [name, value, usual] of [
    ['x', axis, 'step'],
    ['smooth', String(smoothing), '0.6'],
    ['log', log ? '1' : '0', '0'],
  ] as const)
    if (value === usual) next.delete(name);
    else next.set(name, value);
  return next;
};

/** How curves are drawn, kept in the address: a moment later, since browsers refuse addresses that change with every pixel of a slider. */
export const useSettings = (): [Settings, (changes: Partial<Settings>) => void] => {
  const [query, setQuery] = useSearchParams();
  const [settings, setSettings] = useState(() => read(query));
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = useCallback(
    (changes: Partial<Settings>) =>
      setSettings((last) => {
        const next = { ...last, ...changes };
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setQuery((now) => write(now, next), { replace: true }), 300);
        return next;
      }),
    [setQuery],
  );
  return [settings, change];
};
