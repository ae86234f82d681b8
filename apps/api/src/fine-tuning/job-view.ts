import { type FineTuningJob, isFinal, type JobResource, UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';

export const unixSeconds = (time: string): number => Math.floor(Date.parse(time) / 1000);
const orNull = (time: string | null): number | null => (time === null ? null : unixSeconds(time));

type Models = Pick<Store, 'models'>;

/** The learning rate that a model was trained with; null if it is gone, or does not say. */
const rateOf = async ({ models }: Models, project: string, id: string): Promise<number | null> => {
  try {
    return (await models.get(project, id)).spec?.training.optimizer.learning_rate ?? null;
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'not_found') return null;
    throw error;
  }
};

const estimateFinish = ({ status, progress }: JobResource): number | null =>
  status === 'running' && progress.eta_seconds !== null
    ? Math.ceil(Date.now() / 1000 + progress.eta_seconds)
    : null;

const toFineTuningJob = (job: JobResource, project: string, startRate: number | null): FineTuningJob => {
  const { spec, status, error } = job;
  const { epochs, batch_size, optimizer } = spec.training;
  const multiplier = startRate && Number((optimizer.learning_rate / startRate).toPrecision(6));
  const hyperparameters = {
    n_epochs: epochs,
    batch_size,
    ...(multiplier ? { learning_rate_multiplier: multiplier } : {}),
  };
  return {
    id: job.id,
    object: 'fine_tuning.job',
    created_at: unixSeconds(job.created_at),
    finished_at: orNull(job.ended_at),
    estimated_finish: estimateFinish(job),
    status,
    model: spec.start_from?.model ?? spec.model.cell,
    fine_tuned_model: job.model_id,
    organization_id: project,
    training_file: spec.file,
    validation_file: spec.validation_file,
    result_files: [],
    trained_tokens: isFinal(status) ? job.progress.tokens : null,
    seed: spec.seed,
    hyperparameters,
    method: { type: 'supervised', supervised: { hyperparameters } },
    integrations: [],
    metadata: job.metadata,
    error: status === 'failed' && error ? error : null,
  };
};

/** Jobs as OpenAI's clients know them. Each starting model is looked up once. */
export const toFineTuningJobs = async (
  store: Models,
  project: string,
  jobs: readonly JobResource[],
): Promise<FineTuningJob[]> => {
  const starts = [...new Set(jobs.flatMap(({ spec }) => spec.start_from?.model ?? []))];
  const rates = new Map(
    await Promise.all(starts.map(async (id) => [id, await rateOf(store, project, id)] as const)),
  );
  return jobs.map((job) =>
    toFineTuningJob(job, project, rates.get(job.spec.start_from?.model ?? '') ?? null),
  );
};
