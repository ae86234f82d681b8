import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobSpec, parseRequest } from '@unfold/contracts';
import { checkData } from '@unfold/rnn';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDataChecks, type DataCheckTask } from './data-checks.ts';

let folder: string;
let reads: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'data-checks-'));
  reads = [];
});
afterEach(() => rm(folder, { recursive: true }));

const read = ({ spec, data, validation, longest_sequence }: DataCheckTask) => {
  reads.push(data.path);
  return checkData({
    spec,
    data: data.path,
    validation: validation?.path ?? null,
    longestSequence: longest_sequence,
  });
};

const taskOf = async (content: string, options: object = {}): Promise<DataCheckTask> => {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const path = join(folder, sha256);
  await writeFile(path, content);
  const spec = parseRequest(jobSpec, {
    file: `file-${'0'.repeat(26)}`,
    text: { sequences: 'lines' },
    ...options,
  });
  return { spec, data: { path, sha256 }, validation: null, longest_sequence: 10 };
};

describe("a check of a job's data", () => {
  it('is made once for the same bytes and options, also by requests at the same time', async () => {
    const checks = createDataChecks(read);
    const task = await taskOf('one\ntwo\n');
    const other = await taskOf('one\ntwo\n', { seed: 7, training: { epochs: 3 } });
    const found = await Promise.all([checks.check(task), checks.check(other), checks.check(task)]);
    expect(found[0]).toMatchObject({ records: 2 });
    expect(found[1]).toBe(found[0]);
    await checks.check(await taskOf('one\ntwo\n', { text: { sequences: 'lines', level: 'word' } }));
    expect(reads).toHaveLength(2);
  });

  it('remembers what is wrong with the data', async () => {
    const checks = createDataChecks(read);
    const task = await taskOf('short\nlonger than ten\n');
    for (let time = 0; time < 2; time++)
      await expect(checks.check(task)).rejects.toMatchObject({
        code: 'invalid_data',
        param: 'file',
        message: 'file, line 2: expected a sequence of at most 10 tokens, but received 15.',
      });
    expect(reads).toHaveLength(1);
  });

  it('is made again after a failure that was not of the data', async () => {
    const checks = createDataChecks(read);
    const task = await taskOf('one\ntwo\n');
    await rm(task.data.path);
    await expect(checks.check(task)).rejects.toMatchObject({ code: 'data_missing' });
    await taskOf('one\ntwo\n');
    expect(await checks.check(task)).toMatchObject({ records: 2 });
  });

  it('forgets the oldest findings rather than growing without bound', async () => {
    const checks = createDataChecks(read, 1);
    const [first, second] = [await taskOf('one\ntwo\n'), await taskOf('three\nfour\n')];
    for (const task of [first, second, second, first]) await checks.check(task);
    expect(reads).toHaveLength(3);
  });
});
