import { useState } from 'react';
import { Field } from '../../ui/field.tsx';
import type { Draft } from './draft.ts';
import type { Problem } from './option-field.tsx';

/** The draft as JSON, to be read, edited or pasted: what `POST /v1/jobs` is sent. */
export const JsonView = ({
  draft,
  problem,
  onDraft,
}: {
  draft: Draft;
  problem: Problem | null;
  onDraft: (draft: Draft) => void;
}) => {
  const [text, setText] = useState(() => JSON.stringify(draft, null, 2));
  const [broken, setBroken] = useState<string | null>(null);
  const change = (typed: string): void => {
    setText(typed);
    try {
      const parsed: unknown = JSON.parse(typed);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
        throw new Error('expected an object');
      setBroken(null);
      onDraft(parsed as Draft);
    } catch (error) {
      setBroken((error as Error).message);
    }
  };
  return (
    <Field
      label="Spec"
      hint="What is sent to POST /v1/jobs. What is left out has its default."
      error={broken ?? problem?.message ?? null}
    >
      <textarea
        className="mono"
        rows={24}
        value={text}
        spellCheck={false}
        onChange={({ target }) => change(target.value)}
      />
    </Field>
  );
};
