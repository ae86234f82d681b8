import type { FileResource, ModelResource, PreviewResource } from '@unfold/contracts';
import { type ReactNode, useEffect, useRef } from 'react';
import { DataPreview } from './data-preview.tsx';
import { DataSection } from './data-section.tsx';
import { valueAt } from './draft.ts';
import { type FormProps, OptionFields } from './option-field.tsx';
import type { Named } from './schema.ts';
import { StartSection } from './start-section.tsx';

/** What most runs are told; everything else is a step away. */
const foremost: ReadonlySet<string> = new Set([
  'model.cell',
  'model.hidden_size',
  'model.num_layers',
  'model.embedding_size',
  'training.epochs',
  'training.batch_size',
  'training.sequence_length',
  'training.optimizer',
]);

/** What a file of each task holds. */
const formats: Record<string, string> = {
  language_model: 'Reads text, and writes text like it.',
  conditional_generation:
    'Writes text under a condition. Each line: {"context": [numbers] or "label", "text": "…"}',
  sequence_labeling: 'A tag or vector for each step. Each line: {"input": […], "output": […]}, equally long.',
  classification: 'One label a sequence. Each line: {"input": "text" or [tokens] or [vectors], "label": "…"}',
  forecasting: 'Goes on with a series. CSV, or JSON Lines of numbers.',
};

const isWithin = (param: string | null, options: readonly Named[]): boolean =>
  param !== null && options.some(({ path }) => param === path || param.startsWith(`${path}.`));

/** Options that are seldom wanted. Opens by itself where the API complains of one of them. */
const More = ({ title, options, ...form }: { title: string; options: Named[] } & FormProps) => {
  const details = useRef<HTMLDetailsElement>(null);
  const wrong = isWithin(form.problem?.param ?? null, options);
  useEffect(() => {
    if (wrong && details.current) details.current.open = true;
  }, [wrong]);
  return (
    <details ref={details} className="more">
      <summary>{title}</summary>
      <OptionFields options={options} {...form} />
    </details>
  );
};

const Section = ({ id, title, children }: { id: string; title: string; children: ReactNode }) => (
  <section className="card stack" aria-labelledby={`${id}-heading`}>
    <h2 id={`${id}-heading`}>{title}</h2>
    {children}
  </section>
);

interface JobFormProps extends FormProps {
  options: readonly Named[];
  models: readonly ModelResource[];
  preview: PreviewResource | null;
  onFile: (file: FileResource, start: string) => void;
}

/** The form of a run, made from the schema of jobs. */
export const JobForm = ({ options, models, preview, onFile, ...form }: JobFormProps) => {
  const at = (name: string): Named[] => options.filter((option) => option.name === name);
  const within = (name: string): Named[] => {
    const group = at(name)[0]?.option;
    return group?.kind === 'group' ? group.options : [];
  };
  const split = (name: string) => ({
    first: within(name).filter(({ path }) => foremost.has(path)),
    more: within(name).filter(({ path }) => !foremost.has(path)),
  });
  const task = String(valueAt(form.draft, 'task') ?? 'language_model');
  const file = form.draft.file as string | undefined;
  const [model, training] = [split('model'), split('training')];
  const error = form.problem?.param === 'file' ? form.problem.message : null;
  const start = at('start_from')[0];
  return (
    <div className="stack">
      <Section id="data" title="Data">
        <DataSection file={file ?? null} error={error} onFile={onFile} />
        <OptionFields
          options={at('task').map((named) => ({ ...named, description: formats[task] ?? '' }))}
          {...form}
        />
        {task !== 'forecasting' && (
          <More title="How text becomes tokens" options={within('text')} {...form} />
        )}
        {task !== 'language_model' && (
          <More title="How numbers are read" options={within('series')} {...form} />
        )}
        {preview && <DataPreview preview={preview} />}
      </Section>
      <Section id="network" title="Network">
        <OptionFields options={model.first} {...form} />
        <More title="More of the network" options={model.more} {...form} />
        {start && <StartSection named={start} models={models} {...form} />}
      </Section>
      <Section id="training" title="Training">
        <OptionFields options={training.first} {...form} />
        <More title="More of the training" options={training.more} {...form} />
      </Section>
      <Section id="run" title="Run">
        <OptionFields options={at('name')} {...form} />
        <More
          title="Where and when"
          options={['engine', 'device', 'seed', 'priority', 'metadata', 'validation_file'].flatMap(at)}
          {...form}
        />
      </Section>
    </div>
  );
};
