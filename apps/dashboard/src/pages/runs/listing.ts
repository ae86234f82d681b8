import type { JobResource } from '@unfold/contracts';
import { networkOf, shareOf, titleOf } from '../../jobs/describe-job.ts';

export const sorts = {
  created: 'Newest',
  name: 'Name',
  status: 'Status',
  progress: 'Progress',
} as const;
export type Sort = keyof typeof sorts;

export const filters = [
  'all',
  'running',
  'queued',
  'blocked',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type Filter = (typeof filters)[number];

/** What the list shows, as its address says it. */
export interface View {
  search: string;
  filter: Filter;
  sort: Sort;
  reversed: boolean;
  page: number;
  selected: readonly string[];
}

const oneOf = <Name extends string>(names: readonly Name[], value: string | null, otherwise: Name): Name =>
  names.find((name) => name === value) ?? otherwise;

export const readView = (query: URLSearchParams): View => {
  const sort = query.get('sort') ?? '';
  return {
    search: query.get('q') ?? '',
    filter: oneOf(filters, query.get('status'), 'all'),
    sort: oneOf(Object.keys(sorts) as Sort[], sort.replace(/^-/, ''), 'created'),
    reversed: sort.startsWith('-'),
    page: Math.max(1, Number.parseInt(query.get('page') ?? '1', 10) || 1),
    selected: (query.get('select') ?? '').split(',').filter(Boolean),
  };
};

/** The address of a view; what is as usual is left out. */
export const writeView = (view: View): URLSearchParams => {
  const query = new URLSearchParams();
  if (view.search !== '') query.set('q', view.search);
  if (view.filter !== 'all') query.set('status', view.filter);
  if (view.sort !== 'created' || view.reversed) query.set('sort', `${view.reversed ? '-' : ''}${view.sort}`);
  if (view.page > 1) query.set('page', String(view.page));
  if (view.selected.length > 0) query.set('select', view.selected.join(','));
  return query;
};

/** As its badge says it: of what is queued, some cannot begin. */
const statusOf = ({ status, blocked }: JobResource): Filter => (blocked === null ? status : 'blocked');

const isOf = (job: JobResource, filter: Filter): boolean =>
  filter === 'all' || filter === job.status || filter === statusOf(job);

const matches = (job: JobResource, words: readonly string[]): boolean => {
  const labels = Object.entries(job.metadata).flat();
  const text = [titleOf(job), job.id, networkOf(job), statusOf(job), job.device, job.engine, ...labels]
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
};

const order: Record<string, number> = Object.fromEntries(filters.map((name, place) => [name, place]));
const doneOf = (job: JobResource): number => shareOf(job, job.progress.step) ?? 0;

const comparers: Record<Sort, (a: JobResource, b: JobResource) => number> = {
  created: (a, b) => (a.id < b.id ? 1 : -1),
  name: (a, b) => titleOf(a).localeCompare(titleOf(b), undefined, { numeric: true }),
  status: (a, b) => order[statusOf(a)]! - order[statusOf(b)]!,
  progress: (a, b) => doneOf(b) - doneOf(a),
};

/** The runs that a view shows, in its order, of all pages. Of equals the newest come first. */
export const select = (jobs: Iterable<JobResource>, view: View): JobResource[] => {
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  const compare = comparers[view.sort];
  return [...jobs]
    .filter((job) => isOf(job, view.filter) && matches(job, words))
    .sort((a, b) => (compare(a, b) || comparers.created(a, b)) * (view.reversed ? -1 : 1));
};
