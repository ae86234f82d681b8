import { Bar } from './bar.tsx';
import { visible } from './token-texts.ts';
import type { Piece } from './writing.ts';

const percent = (logprob: number): string => {
  const share = 100 * Math.exp(logprob);
  return share >= 0.1 || share === 0 ? `${share.toFixed(1)} %` : `${share.toExponential(0)} %`;
};

/** What is said of a token, in a sentence. */
export const sentenceOf = ({ text, written, logprob }: Piece): string =>
  written && logprob !== null
    ? `${visible(text)}, probability ${percent(logprob)}`
    : `${visible(text)}, given`;

/** How likely a token was, and what else was likely in its place. */
export const TokenPanel = ({ piece }: { piece: Piece | null }) => (
  <section className="token-panel" aria-label="Token">
    {piece === null || piece.logprob === null ? (
      <p className="quiet small">
        {piece === null
          ? 'Point at a token, or go through the text by arrow keys, to see what else was likely in its place.'
          : 'This was given to the model.'}
      </p>
    ) : (
      <>
        <p>
          <code className="token">{visible(piece.text)}</code> {percent(piece.logprob)}
        </p>
        <ol className="alternatives">
          {piece.alternatives.map(([token, logprob]) => (
            <li key={token}>
              <code>{visible(token)}</code>
              <Bar share={Math.exp(logprob)} />
              <span className="number small">{percent(logprob)}</span>
            </li>
          ))}
        </ol>
      </>
    )}
  </section>
);
