import { useEffect, useLayoutEffect, useRef } from 'react';
import { createExternal, useExternal } from '../external.ts';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';
import './toasts.css';

interface Toast {
  id: number;
  kind: 'info' | 'error';
  text: string;
  undo: (() => void) | null;
  /** Called when it goes away by time or by its cross; not when it was undone. */
  over: () => void;
  forMs: number;
}

const toasts = createExternal<readonly Toast[]>([]);
const most = 5;
let lastId = 0;

const remove = (id: number): Toast | undefined => {
  const found = toasts.get().find((toast) => toast.id === id);
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
  return found;
};

interface Options {
  kind?: Toast['kind'];
  /** Offers to undo until the toast is gone. */
  undo?: () => void;
  /** Told once it is too late to undo. */
  over?: () => void;
  forMs?: number;
}

/** Tells something in passing, at the lower edge; also to screen readers. The oldest makes room for the sixth. */
export const tell = (text: string, { kind = 'info', undo, over, forMs }: Options = {}): void => {
  lastId += 1;
  const toast = {
    id: lastId,
    kind,
    text,
    undo: undo ?? null,
    over: over ?? (() => {}),
    forMs: forMs ?? (undo ? 8000 : 5000),
  };
  toasts.set([...toasts.get(), toast]);
  const [oldest] = toasts.get();
  if (toasts.get().length > most && oldest) remove(oldest.id)?.over();
};

const ToastView = ({ toast }: { toast: Toast }) => {
  useEffect(() => {
    const timer = setTimeout(() => remove(toast.id)?.over(), toast.forMs);
    return () => clearTimeout(timer);
  }, [toast]);
  const item = useRef<HTMLLIElement>(null);
  // What is undone here was a button in something that is gone: whoever works by keyboard goes on from here, and then from the page.
  useLayoutEffect(() => {
    const { current } = item;
    if (toast.undo !== null && document.activeElement === document.body)
      current?.querySelector('button')?.focus({ preventScroll: true });
    return () => {
      if (current?.contains(document.activeElement))
        document.querySelector('main')?.focus({ preventScroll: true });
    };
  }, [toast]);
  return (
    <li ref={item} className={`toast ${toast.kind}`}>
      <span>{toast.text}</span>
      {toast.undo && (
        <Button
          kind="bare"
          onClick={() => {
            if (remove(toast.id)) toast.undo?.();
          }}
        >
          Undo
        </Button>
      )}
      <Button kind="bare" label="Dismiss" onClick={() => remove(toast.id)?.over()}>
        <Icon name="cancel" size={14} />
      </Button>
    </li>
  );
};

/** Where toasts appear: once, in the shell. */
export const Toasts = () => (
  <ul className="toasts" aria-live="polite" aria-label="Messages">
    {useExternal(toasts).map((toast) => (
      <ToastView key={toast.id} toast={toast} />
    ))}
  </ul>
);
