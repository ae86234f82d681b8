import type { JobResource } from '@unfold/contracts';
import type { Chart, Curve } from '../../charts/curve.ts';
import { smooth } from '../../charts/smooth.ts';
import type { MetricPoints } from '../../live/curves.ts';
import type { RunRecord } from '../../live/run-record.ts';
import { secondsAt, tokensAt } from './axis-values.ts';
import type { Axis, Settings } from './settings.ts';
import { gapsOf } from './training-time.ts';

interface ChartDefinition {
  title: string;
  metrics: Record<string, string>;
}

/** What is drawn together, in the order of the page. What a run tells beyond it gets a chart of its own. */
const definitions: readonly ChartDefinition[] = [
  { title: 'Loss', metrics: { loss: 'training', validation_loss: 'validation' } },
  {
    title: 'Free-running',
    metrics: {
      free_running_loss: 'fed its own output',
      validation_loss: 'teacher-forced',
      naive_free_running_loss: 'nothing changes',
    },
  },
  { title: 'Free-running gap', metrics: { free_running_gap: 'above teacher-forced' } },
  {
    title: 'Accuracy',
    metrics: {
      accuracy: 'training',
      validation_accuracy: 'validation',
      free_running_accuracy: 'free-running',
    },
  },
  { title: 'Gradient norm', metrics: { gradient_norm: 'before clipping' } },
  { title: 'Learning rate', metrics: { learning_rate: 'learning rate' } },
  { title: 'Speed', metrics: { tokens_per_second: 'tokens per second' } },
  { title: 'Length loss', metrics: { length_loss: 'training', validation_length_loss: 'validation' } },
];

/** Told for other purposes, or the loss in other words. */
const notDrawn = new Set(['epoch', 'eta_seconds', 'perplexity', 'token_loss', 'naive_validation_loss']);

const neverSmoothed = new Set(['learning_rate']);
const named = new Set(definitions.flatMap(({ metrics }) => Object.keys(metrics)));
const wordsOf = (name: string): string => name.replaceAll('_', ' ');
const headOf = (name: string): string => name[0]!.toUpperCase() + wordsOf(name).slice(1);

export interface RunOnChart {
  record: RunRecord;
  job: JobResource;
  title: string;
  color: string;
}

const axisOf = (points: MetricPoints, { job, record }: RunOnChart, axis: Axis): Float64Array => {
  if (axis === 'step') return points.step.values;
  if (axis === 'tokens') return tokensAt(points, job);
  return secondsAt(points, Date.parse(job.started_at ?? job.created_at), gapsOf(record.frames('status')));
};

const curvesOf = (
  run: RunOnChart,
  name: string,
  label: string,
  color: string,
  settings: Settings,
): Curve[] => {
  const points = run.record.curves.byName.get(name);
  if (points === undefined || points.value.length === 0) return [];
  const x = axisOf(points, run, settings.axis);
  const y = points.value.values;
  // A few evaluations are no noise.
  if (settings.smoothing === 0 || neverSmoothed.has(name) || y.length < 100) return [{ label, color, x, y }];
  return [
    { label: `${label}, as measured`, color, x, y, measures: label },
    { label, color, x, y: smooth(y, settings.smoothing), smoothing: settings.smoothing },
  ];
};

const definitionsFor = (runs: readonly RunOnChart[]): ChartDefinition[] => {
  const told = new Set(runs.flatMap(({ record }) => [...record.curves.byName.keys()]));
  const others = [...told].filter((name) => !named.has(name) && !notDrawn.has(name)).sort();
  const known = definitions.filter(({ metrics }) => told.has(Object.keys(metrics)[0]!));
  return [...known, ...others.map((name) => ({ title: headOf(name), metrics: { [name]: wordsOf(name) } }))];
};

/** The charts of one run: a colour each for what is drawn together. */
export const chartsOfRun = (run: RunOnChart, settings: Settings): Chart[] =>
  definitionsFor([run]).map(({ title, metrics }) => ({
    title,
    curves: Object.entries(metrics).flatMap(([name, label], place) =>
      curvesOf(run, name, label, `series-${place + 1}`, settings),
    ),
  }));

/** The charts of several runs: one for each metric, in which each run has its colour. */
export const chartsOfRuns = (runs: readonly RunOnChart[], settings: Settings): Chart[] => {
  const titles = new Map<string, string>();
  for (const { title, metrics } of definitionsFor(runs))
    for (const [name, label] of Object.entries(metrics))
      if (!titles.has(name)) titles.set(name, Object.keys(metrics).length > 1 ? `${title}, ${label}` : title);
  return [...titles]
    .map(([name, title]) => ({
      title,
      curves: runs.flatMap((run) => curvesOf(run, name, run.title, run.color, settings)),
    }))
    .filter(({ curves }) => curves.length > 0);
};
