import type { JobResource } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { mergePage } from './merge-page.ts';

const job = (id: string, status = 'queued') => ({ id, status }) as JobResource;
const known = (...jobs: JobResource[]) => new Map(jobs.map((each) => [each.id, each]));

describe('the known runs after a page of the list', () => {
  const all = known(job('e'), job('d'), job('c'), job('b'), job('a'));
  const held = [...all.keys()];

  it('lose those that the page would have, were they still there', () => {
    const first = mergePage(all, held, { data: [job('e'), job('c')], has_more: true }, undefined);
    expect([...first.keys()]).toEqual(['e', 'c', 'b', 'a']);
    const second = mergePage(first, [...first.keys()], { data: [job('a')], has_more: false }, 'c');
    expect([...second.keys()]).toEqual(['e', 'c', 'a']);
    expect(mergePage(all, held, { data: [], has_more: false }, undefined).size).toBe(0);
  });

  it('keep what came while the page was asked for, and what lies beyond it', () => {
    const newer = known(...all.values(), job('f'));
    const merged = mergePage(newer, held, { data: [job('e'), job('d')], has_more: true }, undefined);
    expect([...merged.keys()]).toEqual([...held, 'f']);
  });

  it('hold the same object where nothing changed, and the new one where something did', () => {
    const merged = mergePage(all, held, { data: [job('e'), job('d', 'running')], has_more: true }, undefined);
    expect(merged.get('e')).toBe(all.get('e'));
    expect(merged.get('d')?.status).toBe('running');
  });
});
