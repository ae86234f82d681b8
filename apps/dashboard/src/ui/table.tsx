import type { ReactNode } from 'react';
import './table.css';

/** A table in a frame of its own that scrolls sideways where the screen is narrow. @param label what it lists */
export const Table = ({
  label,
  className = '',
  children,
}: {
  label: string;
  className?: string;
  children: ReactNode;
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keyboard.
  // biome-ignore lint/a11y/useSemanticElements: a section would be a landmark, of which a page should have few.
  <div className={`table-frame ${className}`} role="group" aria-label={label} tabIndex={0}>
    <table aria-label={label}>{children}</table>
  </div>
);
