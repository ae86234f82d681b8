import type { Extent } from './extent.ts';
import { pan, type View, zoom } from './view.ts';

interface Target {
  /** What listens, and can be focused. */
  element: HTMLElement;
  view: View;
  extent: () => Extent;
  /** Where curves are drawn, in pixels of the window. */
  plot: () => DOMRect;
}

const keys: Record<string, (view: View, extent: Extent) => void> = {
  ArrowLeft: (view, extent) => pan(view, extent, -0.1),
  ArrowRight: (view, extent) => pan(view, extent, 0.1),
  PageUp: (view, extent) => pan(view, extent, -0.9),
  PageDown: (view, extent) => pan(view, extent, 0.9),
  '+': (view, extent) => zoom(view, extent, 1 / 1.5),
  '=': (view, extent) => zoom(view, extent, 1 / 1.5),
  '-': (view, extent) => zoom(view, extent, 1.5),
  0: (view) => view.set(null),
  Escape: (view) => view.set(null),
};

/**
 * Moves a view: drag pans, a double click shows everything again, keys do both. The wheel zooms a chart that has the focus, or any with Ctrl:
 * over all others it scrolls the page, as it does elsewhere. @returns what ends it
 */
export const listenForGestures = ({ element, view, extent, plot }: Target): (() => void) => {
  const stop = new AbortController();
  const { signal } = stop;
  let dragged: { x: number } | null = null;

  const onWheel = (event: WheelEvent): void => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !sideways && document.activeElement !== element) return;
    event.preventDefault();
    const { left, width } = plot();
    if (sideways) pan(view, extent(), event.deltaX / width);
    else
      zoom(
        view,
        extent(),
        Math.exp(Math.sign(event.deltaY) * Math.min(0.3, Math.abs(event.deltaY) / 300)),
        (event.clientX - left) / width,
      );
  };
  const onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    dragged = { x: event.clientX };
    element.setPointerCapture(event.pointerId);
  };
  const onMove = (event: PointerEvent): void => {
    if (dragged === null) return;
    pan(view, extent(), (dragged.x - event.clientX) / plot().width);
    dragged.x = event.clientX;
  };
  const onUp = (): void => {
    dragged = null;
  };
  const onKey = (event: KeyboardEvent): void => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act(view, extent());
  };
  element.addEventListener('wheel', onWheel, { passive: false, signal });
  element.addEventListener('pointerdown', onDown, { signal });
  element.addEventListener('pointermove', onMove, { signal });
  element.addEventListener('pointerup', onUp, { signal });
  element.addEventListener('pointercancel', onUp, { signal });
  element.addEventListener('dblclick', () => view.set(null), { signal });
  element.addEventListener('keydown', onKey, { signal });
  return () => stop.abort();
};
