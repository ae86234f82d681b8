import { type KeyboardEvent, type MouseEvent, memo, useLayoutEffect, useRef, useState } from 'react';

/** A piece of a text as it is shown. */
export interface ShownPiece {
  text: string;
  /** A class that tints it. */
  tint: string;
}

const blockSize = 100;

const Block = memo(
  ({ pieces, first }: { pieces: readonly ShownPiece[]; first: number }) =>
    pieces.map(({ text, tint }, k) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a piece is its place in the text.
      <span key={first + k} data-piece={first + k} className={tint}>
        {text}
      </span>
    )),
  (a, b) =>
    a.first === b.first &&
    a.pieces.length === b.pieces.length &&
    a.pieces.every((piece, k) => piece.text === b.pieces[k]!.text && piece.tint === b.pieces[k]!.tint),
);

const pieceOf = (target: EventTarget): number | null => {
  const at = (target as HTMLElement).dataset?.piece;
  return at === undefined ? null : Number(at);
};

interface TextViewProps {
  label: string;
  pieces: readonly ShownPiece[];
  /** The piece that is looked at. */
  looked: number | null;
  /** @param byKey whether it is to be read aloud */
  onLook: (piece: number | null, byKey: boolean) => void;
  /** What stands behind the text while it grows. */
  growing: boolean;
}

/** A text of many tinted pieces. Who points at one, or goes to it by arrow keys, looks at it. */
export const TextView = ({ label, pieces, looked, onLook, growing }: TextViewProps) => {
  const [focused, setFocused] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was added is followed, unless the reader has scrolled up.
  useLayoutEffect(() => {
    if (growing && follows.current && frame.current) frame.current.scrollTop = frame.current.scrollHeight;
  }, [pieces, growing]);
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
      End: pieces.length - 1,
    }[event.key];
    if (to === undefined || pieces.length === 0) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(pieces.length - 1, to));
    onLook(next, true);
    event.currentTarget.querySelector(`[data-piece="${next}"]`)?.scrollIntoView({ block: 'nearest' });
  };
  const shown =
    looked === null
      ? pieces
      : pieces.map((piece, k) => (k === looked ? { ...piece, tint: `${piece.tint} looked` } : piece));
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
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
      onKeyDown={move}
    >
      {Array.from({ length: Math.ceil(shown.length / blockSize) }, (_, k) => (
        <Block
          // biome-ignore lint/suspicious/noArrayIndexKey: a block is its place in the text.
          key={k}
          first={k * blockSize}
          pieces={shown.slice(k * blockSize, (k + 1) * blockSize)}
        />
      ))}
    </div>
  );
};
