import type { FileResource, JobSpecInput } from '@unfold/contracts';
import { type FormEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import { Button } from '../../ui/button.tsx';
import { Failure, Loading, Note } from '../../ui/states.tsx';
import { Tabs } from '../../ui/tabs.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { type Draft, pruned, withoutDerived, withValue } from './draft.ts';
import { EstimatePanel } from './estimate-panel.tsx';
import { JobForm } from './form.tsx';
import { guessTask } from './guess-task.ts';
import { JsonView } from './json-view.tsx';
import './new-run.css';
import type { Problem } from './option-field.tsx';
import { jobOptions, type Named, type Schemas } from './schema.ts';
import { useOutlook } from './use-outlook.ts';

const readSchemas = async (apiKey: string | null, signal: AbortSignal): Promise<Schemas> => {
  const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  const answer = await fetch('/openapi.json', { headers, signal });
  if (!answer.ok) throw new Error('The schema of jobs could not be read.');
  return ((await answer.json()) as { components: { schemas: Schemas } }).components.schemas;
};

const views = [
  { id: 'form', title: 'Form' },
  { id: 'json', title: 'JSON' },
] as const;

/** Goes to the field that the API refused. */
const goTo = (param: string): void => {
  const parts = param.split('.');
  for (let most = parts.length; most > 0; most--) {
    const found = document.querySelector(`[data-option="${CSS.escape(parts.slice(0, most).join('.'))}"]`);
    const control = found?.querySelector<HTMLElement>('select, input:not([type="file"]), textarea, button');
    if (!control) continue;
    control.focus();
    return;
  }
};

/** Whether the form shows a problem beside one of its fields. */
const isBeside = (form: HTMLFormElement | null, problem: Problem | null): boolean =>
  problem !== null &&
  [...(form?.querySelectorAll('.field-error') ?? [])].some(
    ({ textContent }) => textContent === problem.message,
  );

const Editor = ({ options, initial }: { options: Named[]; initial: Draft }) => {
  const { client } = useUnfold();
  const [, navigate] = useLocation();
  const [draft, setDraft] = useState(initial);
  const [view, setView] = useState<'form' | 'json'>('form');
  const [refused, setRefused] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const models = useLoaded((signal) => client.models.list({ limit: 100, signal }), [client]);
  const outlook = useOutlook(draft);
  const problem = refused ?? outlook.problem;
  const change = useCallback((next: (before: Draft) => Draft): void => {
    setRefused(null);
    setDraft(next);
  }, []);
  const set = useCallback(
    (path: string, value: unknown) => change((before) => withValue(before, path, value)),
    [change],
  );
  useEffect(() => {
    if (refused?.param) goTo(refused.param);
  }, [refused]);
  const form = useRef<HTMLFormElement>(null);
  const [beside, setBeside] = useState(false);
  // Which options have a field depends on all that was chosen, and in the JSON every problem has one: what was drawn tells.
  useLayoutEffect(() => setBeside(isBeside(form.current, problem)));

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setSending(true);
    setRefused(null);
    try {
      const job = await client.jobs.create(draft as JobSpecInput);
      navigate(`/runs/${job.id}`);
    } catch (error) {
      setRefused(describeError(error));
    } finally {
      setSending(false);
    }
  };
  const chooseFile = (file: FileResource, start: string): void =>
    change((before) => withValue(guessTask(before, file.filename, start), 'file', file.id));
  return (
    <form ref={form} className="new-run" onSubmit={submit} noValidate>
      <Tabs label="How the run is described" tabs={views} selected={view} onSelect={setView}>
        {view === 'form' ? (
          <JobForm
            options={options}
            models={models.value?.data ?? []}
            preview={outlook.preview}
            onFile={chooseFile}
            draft={draft}
            problem={problem}
            set={set}
          />
        ) : (
          <JsonView draft={draft} problem={problem} onDraft={(next) => change(() => next)} />
        )}
      </Tabs>
      <aside className="card stack" aria-label="What it would take">
        <h2>Estimate</h2>
        <EstimatePanel estimate={outlook.estimate} stale={outlook.stale} refused={outlook.problem !== null} />
        {problem && !beside && <Note kind={refused ? 'error' : 'warning'}>{problem.message}</Note>}
        <Button kind="primary" type="submit" disabled={sending}>
          Start training
        </Button>
      </aside>
    </form>
  );
};

/** What the form begins with: nothing, another run's spec, or a model to start from with a network that fits it. */
const readInitial = async (
  { client }: ReturnType<typeof useUnfold>,
  options: Named[],
  { from, model }: { from: string | null; model: string | null },
  signal: AbortSignal,
): Promise<Draft> => {
  if (from !== null) {
    const { spec } = await client.jobs.get(from, { signal });
    return pruned(withoutDerived(spec as unknown as Draft), options);
  }
  if (model === null) return {};
  const { id, spec } = await client.models.get(model, { signal });
  const known = spec === null ? {} : pruned(withoutDerived(spec as unknown as Draft), options);
  const { task, text, model: network } = known;
  const like = Object.fromEntries(
    Object.entries({ task, text, model: network }).filter(([, value]) => value !== undefined),
  );
  return { ...like, start_from: { model: id } };
};

/** Describes a run and starts it. */
const NewRunPage = () => {
  const access = useUnfold();
  const [query] = useSearchParams();
  const from = query.get('from');
  const model = query.get('model');
  const loaded = useLoaded(
    async (signal) => {
      const options = jobOptions(await readSchemas(access.apiKey, signal));
      return { options, initial: await readInitial(access, options, { from, model }, signal) };
    },
    [access, from, model],
  );
  return (
    <div className="stack">
      <h1>New run</h1>
      {loaded.state === 'loading' && <Loading />}
      {loaded.state === 'failed' && <Failure error={loaded.error} retry={loaded.reload} />}
      {loaded.state === 'there' && (
        <Editor key={`${from} ${model}`} options={loaded.value.options} initial={loaded.value.initial} />
      )}
    </div>
  );
};

export default NewRunPage;
