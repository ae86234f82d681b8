import type { PreviewResource } from '@unfold/contracts';
import { bytes, count, measure } from '../../format.ts';

type Example = PreviewResource['examples'][number];

const mostTokens = 120;
const mostRows = 5;

const visible = (token: string): string =>
  token.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣');

const Tokens = ({ tokens }: { tokens: readonly (string | null)[] }) => (
  <p className="tokens mono">
    {tokens.slice(0, mostTokens).map((token, k) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place.
      <span key={k} className={token === '<unk>' ? 'unknown' : ''}>
        {token === null ? '·' : visible(token)}
      </span>
    ))}
  </p>
);

const isVectors = (input: Example['input'] | Example['output']): input is number[][] =>
  Array.isArray(input) && input.some((each) => Array.isArray(each));

const Rows = ({ rows }: { rows: readonly (readonly number[] | null)[] }) => (
  <p className="mono small">
    {rows
      .slice(0, mostRows)
      .map((row) => (row === null ? '·' : row.map((value) => measure(value)).join('  ')))
      .join('\n')}
  </p>
);

const Part = ({ part }: { part: Example['input'] | Example['output'] }) => {
  if (part === null) return null;
  if (typeof part === 'string') return <strong>{part}</strong>;
  return isVectors(part) ? <Rows rows={part} /> : <Tokens tokens={part as (string | null)[]} />;
};

const Counts = ({ title, counts }: { title: string; counts: PreviewResource['vocabulary'] }) =>
  counts && (
    <div>
      <h3>
        {title} <span className="quiet small">{count(counts.size)}</span>
      </h3>
      <p className="frequent mono">
        {counts.frequent.slice(0, 24).map(({ token, count: times }) => (
          <span key={token} title={`${count(times)} times`}>
            {visible(token)} <span className="quiet">{count(times)}</span>
          </span>
        ))}
      </p>
    </div>
  );

const lengthsOf = ({ kind, sequences, tokens, shortest, longest, vectors }: PreviewResource): string => {
  const what = vectors ? 'time steps' : 'tokens';
  if (kind !== 'records') return `${count(tokens)} ${what}`;
  return `${count(sequences)} sequences of ${count(shortest)} to ${count(longest)} ${what}, ${count(tokens)} in all`;
};

/** What the beginning of the file becomes under what was chosen. */
export const DataPreview = ({ preview }: { preview: PreviewResource }) => {
  const { read_bytes, file_bytes, examples, vocabulary, labels, vectors } = preview;
  return (
    <section className="preview stack" aria-label="What the data becomes">
      <p className="small">
        {read_bytes < file_bytes && `In the first ${bytes(read_bytes)} of ${bytes(file_bytes)}: `}
        {lengthsOf(preview)}
        {vectors && `, ${vectors.names?.join(', ') ?? `${vectors.width} numbers each`}`}
      </p>
      {examples.slice(0, 3).map((example) => (
        <div key={example.line} className="example">
          {example.context !== null && (
            <p className="small">
              <span className="quiet">context</span>{' '}
              {Array.isArray(example.context) ? example.context.map(measure).join(', ') : example.context}
            </p>
          )}
          <Part part={example.input} />
          {example.output !== null && (
            <div className="small">
              <span className="quiet">→</span> <Part part={example.output} />
            </div>
          )}
        </div>
      ))}
      <Counts title="Vocabulary" counts={vocabulary} />
      <Counts title="Labels" counts={labels} />
    </section>
  );
};
