import type { ComponentProps, ReactNode } from 'react';
import { Link } from 'wouter';
import './button.css';

type Kind = 'plain' | 'primary' | 'danger' | 'bare';

const classOf = (kind: Kind, icon: boolean, more: string | undefined): string =>
  ['button', kind, icon ? 'only-icon' : '', more ?? ''].filter(Boolean).join(' ');

interface Look {
  kind?: Kind;
  /** What it does, where it shows an icon alone: read aloud, and shown on hover. */
  label?: string;
  children: ReactNode;
}

/** A button of the page's look. Never submits a form unless `type="submit"` says so. */
export const Button = ({ kind = 'plain', label, className, ...rest }: Look & ComponentProps<'button'>) => (
  <button
    type="button"
    {...rest}
    aria-label={label}
    title={label}
    className={classOf(kind, label !== undefined, className)}
  />
);

/** A link that looks like a button: it leads somewhere, so that it can be opened in a tab of its own. */
export const ButtonLink = ({
  kind = 'plain',
  label,
  to,
  children,
  ...rest
}: Look & { to: string; download?: boolean; className?: string }) => (
  <Link
    to={to}
    aria-label={label}
    title={label}
    className={classOf(kind, label !== undefined, rest.className)}
  >
    {children}
  </Link>
);
