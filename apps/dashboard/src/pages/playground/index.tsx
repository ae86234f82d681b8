import type { ModelResource } from '@unfold/contracts';
import { useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';
import { useUnfold } from '../../api.ts';
import { ago, short } from '../../format.ts';
import { ButtonLink } from '../../ui/button.tsx';
import { Field } from '../../ui/field.tsx';
import { Empty, Failure, Loading, Note } from '../../ui/states.tsx';
import { useLoaded } from '../../use-loaded.ts';
import './playground.css';
import { Predictor } from './predictor.tsx';
import { Writer } from './writer.tsx';

const titleOf = ({ name, id, created }: ModelResource): string =>
  `${name ?? id} · ${ago(new Date(created * 1000).toISOString())}`;

const kindOf = ({ spec, parameters }: ModelResource): string => {
  const size = `${short(parameters)} parameters`;
  if (spec === null) return size;
  const { cell, num_layers, hidden_size } = spec.model;
  return `${spec.task.replaceAll('_', ' ')}, ${cell} ${num_layers} × ${hidden_size}, ${size}`;
};

/** Numbers if it is a list of them, else a label. */
const contextOf = (given: string): string | number[] | null => {
  const text = given.trim();
  if (text === '') return null;
  const numbers = text
    .replace(/^\[|\]$/g, '')
    .split(/[,\s]+/)
    .map(Number);
  return numbers.every(Number.isFinite) ? numbers : text;
};

const Conditional = ({ model }: { model: ModelResource }) => {
  const [given, setGiven] = useState('');
  const [entered, setEntered] = useState('');
  const context = useMemo(() => contextOf(entered), [entered]);
  return (
    <>
      <Field
        label="Context"
        hint="What the text is conditioned on: a label that the model was trained with, or its numbers."
      >
        <input
          type="text"
          value={given}
          onChange={({ target }) => setGiven(target.value)}
          onBlur={() => setEntered(given)}
          onKeyDown={({ key }) => key === 'Enter' && setEntered(given)}
        />
      </Field>
      {context === null ? (
        <Note kind="info">This model needs a context before it writes.</Note>
      ) : (
        <Writer key={entered} model={model} context={context} />
      )}
    </>
  );
};

const Chosen = ({ model }: { model: ModelResource }) => {
  switch (model.spec?.task) {
    case 'conditional_generation':
      return <Conditional model={model} />;
    case 'classification':
    case 'sequence_labeling':
    case 'forecasting':
      return <Predictor model={model} />;
    default:
      return <Writer model={model} context={null} />;
  }
};

/** Tries a model out. */
const PlaygroundPage = () => {
  const { client } = useUnfold();
  const [query, setQuery] = useSearchParams();
  const asked = query.get('model');
  const models = useLoaded(
    async (signal) => {
      const { data } = await client.models.list({ limit: 200, signal });
      // One that is asked for by name, or a checkpoint, which no list has.
      const listed = asked === null || data.some(({ id }) => id === asked);
      return listed ? data : [await client.models.get(asked, { signal }), ...data];
    },
    [client, asked],
  );
  if (models.state === 'loading') return <Loading what="Looking for models" />;
  if (models.state === 'failed') return <Failure isPage error={models.error} retry={models.reload} />;
  const model = models.value.find(({ id, name }) => id === asked || name === asked) ?? models.value[0];
  if (model === undefined)
    return (
      <Empty isPage title="There is no model yet">
        <p>A run that succeeds publishes one.</p>
        <div>
          <ButtonLink to="/new" kind="primary">
            New run
          </ButtonLink>
        </div>
      </Empty>
    );
  return (
    <div className="stack playground">
      <h1>Playground</h1>
      <Field label="Model" hint={kindOf(model)}>
        <select
          value={model.id}
          onChange={({ target }) => setQuery({ model: target.value }, { replace: true })}
        >
          {models.value.map((each) => (
            <option key={each.id} value={each.id}>
              {titleOf(each)}
            </option>
          ))}
        </select>
      </Field>
      <Chosen key={model.id} model={model} />
    </div>
  );
};

export default PlaygroundPage;
