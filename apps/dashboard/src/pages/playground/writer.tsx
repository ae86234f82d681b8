import type { ModelResource } from '@unfold/contracts';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import { useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import { useExternal } from '../../external.ts';
import { count } from '../../format.ts';
import { Button } from '../../ui/button.tsx';
import { Field } from '../../ui/field.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Note } from '../../ui/states.tsx';
import { ActivationStrip } from './activation-strip.tsx';
import { SamplingFields, standardSampling } from './sampling-fields.tsx';
import { type ShownPiece, TextView } from './text-view.tsx';
import { unitTint } from './tints.ts';
import { sentenceOf, TokenPanel } from './token-panel.tsx';
import { tokenTexts } from './token-texts.ts';
import { useActivations, type Watched } from './use-activations.ts';
import { createWriting, type Draft, type Sampling, textOf } from './writing.ts';

const settleMs = 300;

/** The text as a unit sees it: what is before the part that was read stays plain. */
const unitPieces = (
  text: string,
  { text: part, activations }: Watched,
  unit: string,
  level: 'char' | 'word' | 'byte',
): ShownPiece[] | null => {
  const chosen = activations.units.find(({ name }) => name === unit);
  if (chosen === undefined || !text.endsWith(part)) return null;
  const before = text.slice(0, text.length - part.length);
  const shown = tokenTexts(activations.tokens, level).map((token, t) => ({
    text: token,
    tint: unitTint(chosen.values[t]!),
  }));
  return before === '' ? shown : [{ text: before, tint: 'quiet' }, ...shown];
};

const said = ({ finish, length }: Draft, busy: boolean): string => {
  if (busy) return 'Writing';
  if (finish === null) return length === 0 ? '' : 'Ready to go on';
  const why = {
    stop: 'The text has come to its end',
    length: 'As long as asked for',
    stopped: 'Stopped',
  };
  return why[finish];
};

interface WriterProps {
  model: ModelResource;
  context: string | number[] | null;
}

/** Writes with one model. */
export const Writer = ({ model, context }: WriterProps) => {
  const { client } = useUnfold();
  const writing = useMemo(() => createWriting(client, model.id, context), [client, model.id, context]);
  useEffect(() => {
    const leave = (): void => writing.end({ leaving: true });
    addEventListener('pagehide', leave);
    return () => {
      removeEventListener('pagehide', leave);
      writing.end();
    };
  }, [writing]);
  const { drafts, current, busy, error } = useExternal(writing.state);
  const draft = drafts.find(({ id }) => id === current)!;
  const [given, setGiven] = useState('');
  const [sampling, setSampling] = useState<Sampling>(standardSampling);
  const [looked, setLooked] = useState<number | null>(null);
  const [aloud, setAloud] = useState('');
  const [watching, setWatching] = useState(false);
  const [layer, setLayer] = useState<number | null>(null);
  const [unit, setUnit] = useState<string | null>(null);
  const settling = useRef<ReturnType<typeof setTimeout>>(undefined);
  const problem = error === null ? null : describeError(error);

  // What is being written is no text yet whose units are asked for.
  const text = useMemo(() => (watching && !busy ? textOf(draft) : null), [watching, busy, draft]);
  const { watched, error: unwatched } = useActivations(model.id, context, text, layer);
  const level = model.spec?.text.level ?? 'char';
  const ofUnit = useMemo(
    () => (text !== null && watched && unit !== null ? unitPieces(text, watched, unit, level) : null),
    [watched, unit, text, level],
  );
  const offset = ofUnit === null || watched === null ? 0 : ofUnit.length - watched.activations.tokens.length;

  const change = (changes: Partial<Sampling>): void => {
    const next = { ...sampling, ...changes };
    setSampling(next);
    clearTimeout(settling.current);
    settling.current = setTimeout(() => writing.change(next), settleMs);
  };
  const write = async (): Promise<void> => {
    if (busy) return;
    // It begins with what was chosen last: told again meanwhile, that would break it off.
    clearTimeout(settling.current);
    setLooked(null);
    setGiven('');
    // What did not become part of the text can be mended.
    if (!(await writing.write(given, sampling))) setGiven((typed) => given + typed);
  };
  const look = (piece: number | null, byKey: boolean): void => {
    setLooked(piece);
    const found = piece === null || ofUnit !== null ? undefined : draft.pieces[piece];
    if (byKey && found) setAloud(sentenceOf(found));
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void write();
  };
  const lookedPiece = ofUnit === null && looked !== null ? (draft.pieces[looked] ?? null) : null;

  return (
    <div className="writer">
      <div className="stack">
        <div className="row drafts">
          {/* biome-ignore lint/a11y/useSemanticElements: buttons that choose one are no fieldset. */}
          <div className="row" role="group" aria-label="Texts">
            {drafts.map(({ id, name }) => (
              <Button
                key={id}
                aria-pressed={id === current}
                disabled={busy && id !== current}
                onClick={() => {
                  setLooked(null);
                  writing.select(id);
                }}
              >
                {name}
              </Button>
            ))}
          </div>
          <Button kind="bare" label="Begin another text" disabled={busy} onClick={writing.begin}>
            <Icon name="new" />
          </Button>
          <span className="push small quiet" role="status">
            {said(draft, busy)}
          </span>
        </div>
        {draft.length === 0 && !busy ? (
          <p className="text-view empty quiet">
            What the model writes appears here, token by token. Begin with a few words, or with nothing.
          </p>
        ) : (
          <TextView
            label={draft.name}
            pieces={ofUnit ?? draft.pieces}
            length={ofUnit?.length ?? draft.length}
            looked={looked}
            onLook={look}
            growing={busy}
          />
        )}
        <p className="visually-hidden" aria-live="polite">
          {aloud}
        </p>
        {problem && <Note kind="error">{problem.message}</Note>}
        <Field label={draft.length === 0 ? 'Begin with' : 'Add to the text'} hint="Ctrl + Enter writes.">
          <textarea
            rows={3}
            value={given}
            onChange={({ target }) => setGiven(target.value)}
            onKeyDown={onKey}
            spellCheck={false}
          />
        </Field>
        <div className="row">
          {busy ? (
            <Button kind="primary" onClick={writing.stop}>
              Stop
            </Button>
          ) : (
            <Button kind="primary" onClick={write}>
              {draft.length === 0 ? 'Write' : 'Go on'}
            </Button>
          )}
          <Button disabled={busy || draft.length === 0} onClick={() => void writing.fork()}>
            Fork
          </Button>
          <Button disabled={busy || draft.length === 0} onClick={() => void writing.mark()}>
            Mark this point
          </Button>
          {draft.marks.map((mark) => (
            <Button
              key={mark.snapshot}
              kind="bare"
              disabled={busy}
              onClick={() => {
                setLooked(null);
                void writing.restore(mark);
              }}
            >
              Back to token {count(mark.pieces)}
            </Button>
          ))}
        </div>
      </div>
      <aside className="stack" aria-label="How it is written">
        <SamplingFields sampling={sampling} onChange={change} problem={problem} />
        <TokenPanel piece={lookedPiece} />
        <p className="small quiet surprise-legend">
          <span>likely</span>
          {[1, 2, 3, 4].map((each) => (
            <span key={each} className={`swatch unlikely-${each}`} aria-hidden="true" />
          ))}
          <span>unlikely</span>
        </p>
      </aside>
      <section className="stack units" aria-labelledby="units-heading">
        <div className="row">
          <h2 id="units-heading">Hidden units</h2>
          <Button className="push" aria-pressed={watching} onClick={() => setWatching(!watching)}>
            {watching ? 'Hide' : 'Show'}
          </Button>
        </div>
        {watching && (model.spec?.model.num_layers ?? 1) > 1 && (
          <Field label="Of">
            <select
              value={layer ?? ''}
              onChange={({ target }) => setLayer(target.value === '' ? null : Number(target.value))}
            >
              <option value="">all layers, those that vary most</option>
              {Array.from({ length: model.spec?.model.num_layers ?? 1 }, (_, k) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a layer is its place.
                <option key={k} value={k}>
                  layer {k}
                </option>
              ))}
            </select>
          </Field>
        )}
        {watching && draft.length === 0 && (
          <p className="quiet">They are drawn over a text: write one first.</p>
        )}
        {watching && unwatched !== null && <Note kind="error">{describeError(unwatched).message}</Note>}
        {watching && watched && draft.length > 0 && (
          <ActivationStrip
            activations={watched.activations}
            unit={unit}
            onUnit={(chosen) => {
              setLooked(null);
              setUnit(chosen);
            }}
            looked={looked === null || ofUnit === null ? null : Math.max(0, looked - offset)}
            onLook={(token) => ofUnit !== null && setLooked(token === null ? null : token + offset)}
          />
        )}
      </section>
    </div>
  );
};
