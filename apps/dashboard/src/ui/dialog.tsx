import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';
import './dialog.css';

interface DialogProps {
  open: boolean;
  title: string;
  /** Escape, the cross, or a click beside it. Absent: it can only be answered. */
  onClose?: () => void;
  children: ReactNode;
}

/** A modal dialog by the browser's own `<dialog>`: it keeps the focus inside, and gives it back when it closes. */
export const Dialog = ({ open, title, onClose, children }: DialogProps) => {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    if (open && !dialog?.open) dialog?.showModal();
    if (!open) dialog?.close();
  }, [open]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the key for it, and the browser's own.
    <dialog
      ref={element}
      className="dialog"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClick={(event) => event.target === element.current && onClose?.()}
    >
      {open && (
        <div className="dialog-body">
          <header className="row">
            <h2 id={heading}>{title}</h2>
            {onClose && (
              <Button kind="bare" label="Close" className="push" onClick={onClose}>
                <Icon name="cancel" />
              </Button>
            )}
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
};
