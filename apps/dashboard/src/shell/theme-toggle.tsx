import { useExternal } from '../external.ts';
import { chooseTheme, theme, themes } from '../theme.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';

const looks = {
  system: { icon: 'system_theme', label: 'Theme: as the system' },
  light: { icon: 'sun', label: 'Theme: light' },
  dark: { icon: 'moon', label: 'Theme: dark' },
} as const;

/** Goes round: as the system, light, dark. */
export const ThemeToggle = () => {
  const chosen = useExternal(theme);
  const next = themes[(themes.indexOf(chosen) + 1) % themes.length]!;
  return (
    <Button kind="bare" label={looks[chosen].label} onClick={() => chooseTheme(next)}>
      <Icon name={looks[chosen].icon} />
    </Button>
  );
};
