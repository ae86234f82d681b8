import { createExternal } from './external.ts';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const storageKey = 'unfold.theme';

const stored = (): Theme => {
  try {
    const value = localStorage.getItem(storageKey);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
};

/** What was chosen; `system` follows the preference. public/theme.js applies it before the first paint. */
export const theme = createExternal<Theme>(stored());

export const chooseTheme = (chosen: Theme): void => {
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === 'system') localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, chosen);
  } catch {
    // Without storage the choice holds until the page is left.
  }
  theme.set(chosen);
};

/** Counts up whenever colours change, by choice or by the system: what is drawn on a canvas is drawn anew. */
export const paint = createExternal(0);
const repaint = (): void => paint.set(paint.get() + 1);
theme.subscribe(repaint);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);

/** The colours of the tokens as they are now, as a canvas needs them. */
export const colorsOf = <Name extends string>(names: readonly Name[]): Record<Name, string> => {
  const probe = document.createElement('span');
  probe.hidden = true;
  document.body.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found);
};
