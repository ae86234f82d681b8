import { expect, it } from 'vitest';
import { createRemembered } from './remembered.ts';

const counting = () => {
  const asked: string[] = [];
  const ask = (key: string, answer: string | null) => async () => {
    asked.push(key);
    return answer;
  };
  return { asked, ask };
};

it('asks once for all who ask at the same time, and again once it is forgotten or too old', async () => {
  const { asked, ask } = counting();
  const kept = createRemembered<string | null>({ forMs: 60_000, most: 10 });
  expect(await Promise.all([1, 2, 3].map(() => kept.get('a', ask('a', 'x'))))).toEqual(['x', 'x', 'x']);
  expect(asked).toEqual(['a']);
  kept.forget();
  await kept.get('a', ask('a', 'y'));
  expect(asked).toEqual(['a', 'a']);
  const old = createRemembered<string | null>({ forMs: 0, most: 10 });
  for (let time = 0; time < 2; time++) await old.get('b', ask('b', 'x'));
  expect(asked).toEqual(['a', 'a', 'b', 'b']);
});

it('keeps no failure and nothing that is not worth it, and no more than it may', async () => {
  const { asked, ask } = counting();
  const kept = createRemembered<string | null>({ forMs: 60_000, most: 2, keeps: (value) => value !== null });
  for (let time = 0; time < 2; time++) await kept.get('none', ask('none', null));
  for (let time = 0; time < 2; time++)
    await expect(kept.get('bad', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  for (const key of ['a', 'b', 'c', 'a', 'c']) await kept.get(key, ask(key, 'x'));
  expect(asked).toEqual(['none', 'none', 'a', 'b', 'c', 'a']);
});
