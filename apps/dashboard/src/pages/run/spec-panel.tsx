import type { JobResource } from '@unfold/contracts';
import { Button } from '../../ui/button.tsx';
import { tell } from '../../ui/toasts.tsx';

/** The run's spec with every default filled in, as the API takes it. */
export const SpecPanel = ({ job }: { job: JobResource }) => {
  const text = JSON.stringify(job.spec, null, 2);
  return (
    <section className="stack" aria-label="Spec">
      <div className="row">
        <span className="quiet small">{job.id}</span>
        <Button
          className="push"
          onClick={() => void navigator.clipboard.writeText(text).then(() => tell('Copied the spec'))}
        >
          Copy
        </Button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre className="sample spec" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
};
