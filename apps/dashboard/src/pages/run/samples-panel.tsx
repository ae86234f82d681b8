import type { Frame } from '@unfold/contracts';
import { useState } from 'react';
import { count } from '../../format.ts';
import { Empty } from '../../ui/states.tsx';

type Sample = Extract<Frame, { type: 'sample' }>;

/** What the network wrote on the way: a slider over the steps, at the newest until it is moved. */
export const SamplesPanel = ({ samples }: { samples: readonly Sample[] }) => {
  const [chosen, setChosen] = useState<number | null>(null);
  if (samples.length === 0)
    return (
      <Empty title="No samples">
        <p>
          A run writes samples where its spec says so: <code>training.sample_every</code>, in steps.
        </p>
      </Empty>
    );
  const last = samples.length - 1;
  const place = chosen === null ? last : Math.min(chosen, last);
  const { step, text } = samples[place]!;
  return (
    <section className="stack samples" aria-label="Samples">
      <label className="row sample-slider">
        <span className="small">Step {count(step)}</span>
        <input
          type="range"
          min={0}
          max={last}
          value={place}
          aria-valuetext={`step ${step}`}
          onChange={(event) => {
            const next = Number(event.target.value);
            setChosen(next === last ? null : next);
          }}
        />
        <span className="quiet small">
          {place + 1} of {samples.length}
        </span>
      </label>
      <pre className="sample">{text}</pre>
    </section>
  );
};
