import type { JobResource } from '@unfold/contracts';
import { useEffect, useMemo, useState } from 'react';
import { ChartGrid } from '../../charts/chart-grid.tsx';
import { extentOf } from '../../charts/extent.ts';
import { HeatMap } from '../../charts/heat-map.tsx';
import { createView } from '../../charts/view.ts';
import { count } from '../../format.ts';
import type { RunRecord } from '../../live/run-record.ts';
import { Empty } from '../../ui/states.tsx';
import { chartsOfDiagnostics, gradientsOf, reachOf } from './diagnostics.ts';

const stateNames = { h: 'hidden state h', c: 'cell state c' } as const;

interface GradientsPanelProps {
  record: RunRecord;
  job: JobResource;
  /** Changes when the record does. */
  version: number;
}

/** How far back in time the network learns from, as a heat map of lag over steps; and what else was looked at inside of it. */
export const GradientsPanel = ({ record, job, version }: GradientsPanelProps) => {
  const [layer, setLayer] = useState(0);
  const [state, setState] = useState<'h' | 'c'>('h');
  useEffect(() => void record.readDiagnostics().catch(() => undefined), [record]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` stands for what the record holds.
  const { gradients, charts } = useMemo(() => {
    const frames = record.frames('diagnostic');
    return { gradients: gradientsOf(frames), charts: chartsOfDiagnostics(frames) };
  }, [record, version]);
  const view = useMemo(createView, []);
  const layers = gradients[0]?.layers ?? [];
  const known = layers[Math.min(layer, layers.length - 1)];
  const shownState = known?.c == null ? 'h' : state;
  const columns = useMemo(
    () => gradients.map(({ layers: at }) => at[Math.min(layer, at.length - 1)]?.[shownState] ?? []),
    [gradients, layer, shownState],
  );
  if (gradients.length === 0 && charts.length === 0)
    return (
      <Empty title="No diagnostics">
        <p>
          A run looks inside of its network where its spec says so: <code>training.diagnostics_every</code>,
          in steps.
          {job.spec.training.diagnostics_every !== null && ' The first ones are still to come.'}
        </p>
      </Empty>
    );
  const newest = columns.at(-1) ?? [];
  const reach = reachOf(newest);
  const summary = `At step ${count(gradients.at(-1)?.step ?? 0)} the gradient ${
    reach === null
      ? `is more than a tenth of its size after all ${newest.length - 1} steps back`
      : `falls to a tenth of its size ${reach} steps back`
  }.`;
  return (
    <div className="stack">
      {gradients.length > 0 && (
        <section className="chart stack" aria-label="Gradients through time">
          <div className="row gradients-head">
            <h2>Gradients through time</h2>
            <div className="row push">
              {layers.length > 1 && (
                <select
                  aria-label="Layer"
                  value={layer}
                  onChange={(event) => setLayer(Number(event.target.value))}
                >
                  {layers.map(({ layer: number }, place) => (
                    <option key={number} value={place}>
                      layer {number}
                    </option>
                  ))}
                </select>
              )}
              {known?.c != null && (
                <select
                  aria-label="State"
                  value={shownState}
                  onChange={(event) => setState(event.target.value as 'h' | 'c')}
                >
                  {Object.entries(stateNames).map(([name, title]) => (
                    <option key={name} value={name}>
                      {title}
                    </option>
                  ))}
                </select>
              )}
            </div>
          </div>
          <HeatMap
            label={`Norm of the gradient of the last step's loss, by lag and training step. ${summary}`}
            columns={columns}
            columnTitle={(column) => `step ${count(gradients[column]?.step ?? 0)}`}
            rowTitle={(row) => `lag ${row}`}
            axisX="training step"
            axisY="lag: steps before the last"
          />
          <p className="quiet small">{summary}</p>
        </section>
      )}
      <ChartGrid charts={charts} extent={extentOf(charts)} view={view} axis="Steps" height={180} />
    </div>
  );
};
