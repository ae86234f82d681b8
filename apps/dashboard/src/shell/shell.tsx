import { type ReactNode, useEffect, useRef } from 'react';
import { Link, useLocation } from 'wouter';
import { keyWanted, useUnfold } from '../api.ts';
import { pages } from '../pages.tsx';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { ConnectionIndicator } from './connection-indicator.tsx';
import { ThemeToggle } from './theme-toggle.tsx';
import './shell.css';

const inNavigation = pages.filter(({ icon }) => icon !== undefined);

/** Runs are what a run and a comparison belong to. */
const isCurrent = (path: string, page: string): boolean =>
  page === '/' ? path === '/' || path.startsWith('/runs') || path === '/compare' : path.startsWith(page);

/** What frames every page: navigation at the side, on a phone below; the state of the connection; the theme. */
export const Shell = ({ children }: { children: ReactNode }) => {
  const [path] = useLocation();
  const { apiKey } = useUnfold();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    // Who moves on by keyboard or screen reader begins at the new page's beginning.
    else if (path) main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <div className="shell">
      <a href="#main" className="skip-link">
        Skip to the content
      </a>
      <header className="side">
        <Link to="/" className="brand" aria-label="Unfold, runs">
          <img src="/icon.svg" alt="" width="24" height="24" />
          <span>Unfold</span>
        </Link>
        <nav aria-label="Pages">
          <ul>
            {inNavigation.map(({ path: to, title, icon }) => (
              <li key={to}>
                <Link to={to} aria-current={isCurrent(path, to) ? 'page' : undefined}>
                  <Icon name={icon!} size={18} />
                  <span>{title}</span>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <div className="side-foot">
          <ConnectionIndicator />
          <a href="/docs" className="quiet small docs-link">
            API
          </a>
          {apiKey !== null && (
            <Button kind="bare" label="Change the API key" onClick={() => keyWanted.set('another')}>
              <Icon name="key" />
            </Button>
          )}
          <ThemeToggle />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
};
