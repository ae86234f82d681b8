import {
  type ClipboardEvent,
  type KeyboardEvent,
  type MouseEvent,
  memo,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { type BlockRange, createBlocks } from './blocks.ts';

/** A piece of a text as it is shown. */
export interface ShownPiece {
  text: string;
  /** A class that tints it. */
  tint: string;
}

interface BlockProps extends BlockRange {
  pieces: readonly ShownPiece[];
  /** The piece that is looked at, where it is one of these. */
  looked: number | null;
}

const Block = memo(({ pieces, from, to, looked }: BlockProps) => (
  <div className="block">
    {pieces.slice(from, to).map(({ text, tint }, k) => (
      <span
        // biome-ignore lint/suspicious/noArrayIndexKey: a piece is its place in the text.
        key={k}
        data-piece={from + k}
        className={from + k === looked ? `${tint} looked` : tint}
      >
        {text}
      </span>
    ))}
  </div>
));

const pieceOf = (target: EventTarget): number | null => {
  const at = (target as HTMLElement).dataset?.piece;
  return at === undefined ? null : Number(at);
};

/** Copies what was selected as it was written: where a block ends within a line the browser would begin another. */
const copy = (event: ClipboardEvent): void => {
  const selection = getSelection();
  if (selection === null || selection.rangeCount === 0) return;
  event.clipboardData.setData('text/plain', selection.getRangeAt(0).cloneContents().textContent);
  event.preventDefault();
};

interface TextViewProps {
  label: string;
  /** May grow in place, and only at its end. */
  pieces: readonly ShownPiece[];
  /** How many of them are shown. */
  length: number;
  /** The piece that is looked at. */
  looked: number | null;
  /** @param byKey whether it is to be read aloud */
  onLook: (piece: number | null, byKey: boolean) => void;
  /** What stands behind the text while it grows. */
  growing: boolean;
}

/** A text of many tinted pieces. Who points at one, or goes to it by arrow keys, looks at it. */
export const TextView = ({ label, pieces, length, looked, onLook, growing }: TextViewProps) => {
  const [focused, setFocused] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const blocksOf = useMemo(() => createBlocks(pieces), [pieces]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was added is followed, unless the reader has scrolled up.
  useLayoutEffect(() => {
    if (growing && follows.current && frame.current) frame.current.scrollTop = frame.current.scrollHeight;
  }, [pieces, length, growing]);
  const point = (event: MouseEvent): void => {
    const piece = pieceOf(event.target);
    if (piece !== null) onLook(piece, false);
  };
  const move = (event: KeyboardEvent): void => {
    const at = looked ?? -1;
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + 20,
      ArrowUp: at - 20,
      Home: 0,
      End: length - 1,
    }[event.key];
    if (to === undefined || length === 0) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(length - 1, to));
    onLook(next, true);
    event.currentTarget.querySelector(`[data-piece="${next}"]`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a text that keys walk through is no fieldset.
    <div
      ref={frame}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
      role="group"
      aria-label={`${label}${focused ? ', arrow keys go through its tokens' : ''}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its tokens are looked at by arrow keys.
      tabIndex={0}
      className={`text-view mono ${growing ? 'growing' : ''}`}
      onMouseOver={point}
      onClick={point}
      onCopy={copy}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
      onKeyDown={move}
    >
      {blocksOf(length).map(({ from, to }) => (
        <Block
          key={from}
          pieces={pieces}
          from={from}
          to={to}
          looked={looked !== null && looked >= from && looked < to ? looked : null}
        />
      ))}
    </div>
  );
};
