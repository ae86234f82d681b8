import { useMemo } from 'react';
import { ChartGrid } from '../../charts/chart-grid.tsx';
import { extentOf } from '../../charts/extent.ts';
import { createView, zoom } from '../../charts/view.ts';
import { duration, short } from '../../format.ts';
import { Button } from '../../ui/button.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Empty } from '../../ui/states.tsx';
import { chartsOfRun, chartsOfRuns, type RunOnChart } from './charts-of.ts';
import { type Axis, axes, type Settings, useSettings } from './settings.ts';

const formatStep = (value: number): string =>
  Math.abs(value) >= 10_000 ? short(value) : String(Math.round(value));
const formats: Record<Axis, (value: number) => string> = {
  step: formatStep,
  tokens: short,
  time: (value) => (value < 10 && value % 1 !== 0 ? `${value.toFixed(1)}s` : duration(value)),
};

const SettingsBar = ({
  settings,
  change,
  onZoom,
}: {
  settings: Settings;
  change: (changes: Partial<Settings>) => void;
  onZoom: (factor: number | null) => void;
}) => (
  <section className="row curve-settings" aria-label="How curves are drawn">
    <label className="row">
      <span className="small">Across</span>
      <select value={settings.axis} onChange={(event) => change({ axis: event.target.value as Axis })}>
        {Object.entries(axes).map(([axis, title]) => (
          <option key={axis} value={axis}>
            {title}
          </option>
        ))}
      </select>
    </label>
    <label className="row">
      <span className="small">Smoothing</span>
      <input
        type="range"
        min="0"
        max="0.99"
        step="0.01"
        value={settings.smoothing}
        onChange={(event) => change({ smoothing: Number(event.target.value) })}
      />
      <output className="small quiet smoothing">{settings.smoothing.toFixed(2)}</output>
    </label>
    <label className="row">
      <input
        type="checkbox"
        checked={settings.log}
        onChange={(event) => change({ log: event.target.checked })}
      />
      <span className="small">Log scale</span>
    </label>
    <div className="row push zoom-buttons">
      <Button kind="bare" label="Zoom in" onClick={() => onZoom(1 / 1.5)}>
        <Icon name="new" />
      </Button>
      <Button kind="bare" label="Zoom out" onClick={() => onZoom(1.5)}>
        <Icon name="minus" />
      </Button>
      <Button kind="bare" label="Show everything" onClick={() => onZoom(null)}>
        <Icon name="reset" />
      </Button>
    </div>
  </section>
);

interface CurvesPanelProps {
  runs: readonly RunOnChart[];
  /** Changes when the runs have told something new. */
  version: number;
  compare?: boolean;
}

/** The curves of a run, or those of several over each other. All charts show the same part of the axis. */
export const CurvesPanel = ({ runs, version, compare = false }: CurvesPanelProps) => {
  const [settings, change] = useSettings();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a part of one axis is none of another.
  const view = useMemo(createView, [settings.axis]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` stands for what the records hold.
  const { charts, extent } = useMemo(() => {
    const made = compare ? chartsOfRuns(runs, settings) : runs[0] ? chartsOfRun(runs[0], settings) : [];
    return { charts: made, extent: extentOf(made) };
  }, [runs, settings, compare, version]);

  if (charts.length === 0)
    return (
      <Empty title="No points yet">
        <p>The first ones come as soon as training has begun.</p>
      </Empty>
    );
  return (
    <>
      <SettingsBar
        settings={settings}
        change={change}
        onZoom={(factor) => (factor === null ? view.set(null) : zoom(view, extent, factor))}
      />
      <ChartGrid
        charts={charts}
        extent={extent}
        view={view}
        axis={axes[settings.axis]}
        log={settings.log}
        formatX={formats[settings.axis]}
      />
      <p className="quiet small chart-hint">
        Drag to move, Ctrl and wheel to zoom, double-click to show everything.
      </p>
    </>
  );
};
