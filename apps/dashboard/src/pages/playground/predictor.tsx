import type { ModelResource, PredictionInput, PredictResource } from '@unfold/contracts';
import { type FormEvent, useState } from 'react';
import { useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import { measure } from '../../format.ts';
import { Button } from '../../ui/button.tsx';
import { Field } from '../../ui/field.tsx';
import { Note } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { Bar } from './bar.tsx';
import { ForecastCharts } from './forecast-charts.tsx';
import { numbersOf, sayLine } from './numbers.ts';

type InputKind = 'text' | 'tokens' | 'numbers';
type Prediction = PredictResource['data'][number];

const kinds: Record<InputKind, { name: string; hint: string }> = {
  text: { name: 'a text', hint: 'One sequence: all that is written here.' },
  tokens: { name: 'tokens', hint: 'Separated by spaces, such as: the cat sleeps' },
  numbers: { name: 'numbers', hint: 'A time step each line, its numbers separated by commas.' },
};

const usualKind = (model: ModelResource): InputKind => {
  if (model.spec?.task === 'forecasting') return 'numbers';
  return model.spec?.task === 'sequence_labeling' ? 'tokens' : 'text';
};

/** @returns lines: where each time step of it was written */
const inputOf = (kind: InputKind, given: string): { input: PredictionInput; lines: readonly number[] } => {
  if (kind === 'text') return { input: given, lines: [] };
  if (kind === 'tokens') return { input: given.split(/\s+/).filter((token) => token !== ''), lines: [] };
  const { rows, lines } = numbersOf(given);
  return { input: rows, lines };
};

const Label = ({ label, probabilities }: Extract<Prediction, { label: string }>) => (
  <div className="stack">
    <p>
      <strong>{label}</strong>
    </p>
    <ol className="alternatives">
      {Object.entries(probabilities)
        .sort(([, a], [, b]) => b - a)
        .slice(0, 20)
        .map(([name, share]) => (
          <li key={name}>
            <span>{name}</span>
            <Bar share={share} />
            <span className="number small">{(100 * share).toFixed(1)} %</span>
          </li>
        ))}
    </ol>
  </div>
);

const Tags = ({ tags, given }: { tags: readonly string[]; given: readonly string[] }) => (
  <ol className="tags">
    {tags.map((tag, k) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a tag is its place.
      <li key={k}>
        <span>{given[k] ?? k}</span>
        <strong className="small">{tag}</strong>
      </li>
    ))}
  </ol>
);

/** @param before how many steps lie before the first row */
const Values = ({ values, before }: { values: readonly (readonly number[])[]; before: number }) => (
  <Table label="Values">
    <thead>
      <tr>
        <th>Step</th>
        {values[0]?.map((_, k, { length }) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place.
          <th key={k} className="number">
            {length === 1 ? 'Value' : `Value ${k}`}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {values.map((row, t) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place.
        <tr key={t}>
          <td>{before + t + 1}</td>
          {row.map((value, k) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place.
            <td key={k} className="number">
              {measure(value)}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  </Table>
);

interface Answer {
  prediction: Prediction;
  /** The tokens that were tagged. */
  given: readonly string[];
  /** What a forecast goes on from. */
  series: readonly (readonly number[])[];
}

/** Asks one model for labels, tags or values. */
export const Predictor = ({ model }: { model: ModelResource }) => {
  const { client } = useUnfold();
  const [kind, setKind] = useState<InputKind>(usualKind(model));
  const [given, setGiven] = useState('');
  const [steps, setSteps] = useState(10);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [problem, setProblem] = useState<{ message: string; param: string | null } | null>(null);
  const [busy, setBusy] = useState(false);
  const forecasts = model.spec?.task === 'forecasting';
  const ask = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setProblem(null);
    setAnswer(null);
    let input: PredictionInput;
    let lines: readonly number[];
    try {
      ({ input, lines } = inputOf(kind, given));
    } catch (error) {
      setProblem({ message: (error as Error).message, param: 'input' });
      return;
    }
    setBusy(true);
    try {
      const { data } = await client.models.predict(model.id, input, forecasts ? { steps } : {});
      const tokens = kind === 'tokens' ? (input as string[]) : kind === 'text' ? [...given] : [];
      const series = forecasts && kind === 'numbers' ? (input as number[][]) : [];
      setAnswer({ prediction: data[0]!, given: tokens, series });
    } catch (error) {
      const { message, param } = describeError(error);
      setProblem({ message: sayLine(message, lines), param });
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="stack predictor" onSubmit={ask}>
      <Field label="The input is" hint={kinds[kind].hint}>
        <select value={kind} onChange={({ target }) => setKind(target.value as InputKind)}>
          {(Object.keys(kinds) as InputKind[]).map((each) => (
            <option key={each} value={each}>
              {kinds[each].name}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Input" error={problem?.param === 'input' ? problem.message : null}>
        <textarea
          rows={kind === 'numbers' ? 8 : 4}
          required
          value={given}
          onChange={({ target }) => setGiven(target.value)}
          spellCheck={false}
        />
      </Field>
      {forecasts && (
        <Field label="Steps to go on for" error={problem?.param === 'steps' ? problem.message : null}>
          <input
            type="number"
            min={1}
            max={4096}
            value={steps}
            onChange={({ target }) => setSteps(Number(target.value))}
          />
        </Field>
      )}
      {problem && !['input', 'steps'].includes(problem.param ?? '') && (
        <Note kind="error">{problem.message}</Note>
      )}
      <div>
        <Button kind="primary" type="submit" disabled={busy}>
          Predict
        </Button>
      </div>
      <div role="status" className="stack">
        {answer && 'label' in answer.prediction && <Label {...answer.prediction} />}
        {answer && 'tags' in answer.prediction && <Tags tags={answer.prediction.tags} given={answer.given} />}
        {answer && 'values' in answer.prediction && (
          <>
            {answer.series.length > 0 && (
              <ForecastCharts given={answer.series} values={answer.prediction.values} />
            )}
            <Values values={answer.prediction.values} before={answer.series.length} />
          </>
        )}
      </div>
    </form>
  );
};
