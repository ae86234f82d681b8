import type { ReactNode } from 'react';
import { Field } from '../../ui/field.tsx';
import type { Sampling } from './writing.ts';

export const standardSampling: Sampling = {
  temperature: 0.8,
  top_p: 1,
  top_k: null,
  max_tokens: 300,
  seed: null,
  stop: [],
};

interface Props {
  sampling: Sampling;
  onChange: (changes: Partial<Sampling>) => void;
  /** The field that the API refused, and why. */
  problem: { param: string | null; message: string } | null;
}

const wholeOrNull = (value: string): number | null => (value === '' ? null : Number(value));

/** How tokens are drawn. Temperature and top p hold for what is being written, too. */
export const SamplingFields = ({ sampling, onChange, problem }: Props) => {
  const errorOf = (param: string): string | null => (problem?.param === param ? problem.message : null);
  const slider = (name: 'temperature' | 'top_p', title: string, max: number, min: number): ReactNode => (
    <Field label={`${title} ${sampling[name].toFixed(2)}`} error={errorOf(name)}>
      <input
        type="range"
        min={min}
        max={max}
        step={0.05}
        value={sampling[name]}
        onChange={({ target }) => onChange({ [name]: Number(target.value) })}
      />
    </Field>
  );
  const number = (name: 'top_k' | 'seed', title: string, placeholder: string, least: number): ReactNode => (
    <Field label={title} error={errorOf(name)}>
      <input
        type="number"
        min={least}
        placeholder={placeholder}
        value={sampling[name] ?? ''}
        onChange={({ target }) => onChange({ [name]: wholeOrNull(target.value) })}
      />
    </Field>
  );
  return (
    <div className="sampling">
      {slider('temperature', 'Temperature', 2, 0)}
      {slider('top_p', 'Top p', 1, 0.05)}
      <div className="pair">
        {number('top_k', 'Top k', 'all', 1)}
        {number('seed', 'Seed', 'random', 0)}
      </div>
      <div className="pair">
        <Field label="Most tokens" error={errorOf('max_tokens')}>
          <input
            type="number"
            min={1}
            max={100_000}
            value={sampling.max_tokens}
            onChange={({ target }) => onChange({ max_tokens: Number(target.value) })}
          />
        </Field>
        <Field label="Stop before" error={errorOf('stop')}>
          <input
            type="text"
            placeholder="nothing"
            value={sampling.stop[0] ?? ''}
            onChange={({ target }) => onChange({ stop: target.value === '' ? [] : [target.value] })}
          />
        </Field>
      </div>
    </div>
  );
};
