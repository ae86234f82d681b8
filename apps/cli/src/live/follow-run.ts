import type { Unfold } from '@unfold/client';
import type { JobResource } from '@unfold/contracts';
import { createCurve, type Picture } from './curve.ts';
import type { View } from './views.ts';

const redrawMs = 100;
/** A queued job's place, and how many steps there will be, are told by no frame. */
const askMs = 1000;

/**
 * Shows a job until it has ended, and answers what is left to see.
 * @throws the signal's reason, when that is aborted; the view is left standing then, too
 */
export const followRun = async (
  unfold: Unfold,
  job: JobResource,
  view: View,
  { title, signal }: { title: string; signal?: AbortSignal | undefined },
): Promise<{ job: JobResource; picture: Picture }> => {
  const curve = createCurve(title, job.progress.total_steps);
  let isCounted = job.progress.total_steps !== null;
  const show = (): void => view.show(curve.picture());
  const ask = async (): Promise<void> => {
    // The frames tell when the service is gone for good.
    const now = await unfold.jobs.get(job.id, { signal }).catch(() => null);
    if (now === null) return;
    isCounted = now.progress.total_steps !== null;
    curve.know(now);
  };
  curve.know(job);
  show();
  const redraw = setInterval(show, redrawMs);
  const asking = setInterval(ask, askMs);
  try {
    const frames = unfold.jobs.follow(job.id, {
      signal,
      onConnection: (state) => curve.connection(state === 'lost'),
    });
    for await (const frame of frames) {
      curve.connection(false);
      curve.add(frame);
      // Its steps are told with the first of them: a run may be over before it is asked again.
      if (frame.type === 'status' || (frame.type === 'metric' && !isCounted)) await ask();
      view.frame(frame);
    }
    return { job: await unfold.jobs.get(job.id, { signal }), picture: curve.picture() };
  } finally {
    clearInterval(redraw);
    clearInterval(asking);
    view.end(curve.picture());
  }
};

/** What a run was called, for its title: its name if it has one, and its id. */
export const titleOf = ({ id, name }: Pick<JobResource, 'id' | 'name'>): string =>
  name === null ? id : `${name} · ${id}`;
