import type { JobResource } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { readView, select } from './listing.ts';

const job = (name: string, status: string, blocked = false) =>
  ({
    id: `job-${name}`,
    name,
    status,
    blocked: blocked ? { code: 'no_worker', message: 'No worker', param: null } : null,
    spec: { task: 'language_model', model: { cell: 'gru', num_layers: 1, hidden_size: 8 } },
    metadata: {},
  }) as unknown as JobResource;
const jobs = [job('run 10', 'queued', true), job('run 9', 'queued'), job('run 2', 'running')];
const names = (query: string) =>
  select(jobs, readView(new URLSearchParams(query))).map(({ name }) => name?.slice(4));

describe('the list of runs', () => {
  it('takes numbers in names as numbers', () => expect(names('sort=name')).toEqual(['2', '9', '10']));

  it('finds what no worker can serve, which is queued, too', () => {
    expect(names('status=blocked')).toEqual(['10']);
    expect(names('status=queued&sort=name')).toEqual(['9', '10']);
    expect(names('q=blocked')).toEqual(['10']);
    expect(names('sort=status')).toEqual(['2', '9', '10']);
  });
});
