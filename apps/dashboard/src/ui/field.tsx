import type { ReactNode } from 'react';
import './field.css';

interface FieldProps {
  label: string;
  /** Explains it below; say in the label what must not be missed. */
  hint?: ReactNode;
  error?: string | null;
  /** The control itself, given its own id's neighbours by the label around it. */
  children: ReactNode;
  /** Keeps the label for screen readers alone. */
  hideLabel?: boolean;
}

/** A labelled control with its hint and its error. The label wraps the control, so that nothing need be tied by ids. */
export const Field = ({ label, hint, error, children, hideLabel = false }: FieldProps) => (
  <div className={`field ${error ? 'wrong' : ''}`}>
    {/* biome-ignore lint/a11y/noLabelWithoutControl: the control is the child. */}
    <label>
      <span className={hideLabel ? 'visually-hidden' : 'field-label'}>{label}</span>
      {children}
    </label>
    {error ? (
      <p className="field-error small" role="alert">
        {error}
      </p>
    ) : (
      hint !== undefined && <p className="quiet small">{hint}</p>
    )}
  </div>
);
