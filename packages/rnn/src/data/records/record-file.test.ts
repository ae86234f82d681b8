import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonLines, prepare, specOf, tokensOf } from '../../../test-support/record-files.ts';
import { scratchFolder, textFile } from '../../../test-support/runs.ts';
import { encodingFromJson, encodingToJson } from './record-encoding.ts';
import { prepareRecordFile, type RecordFile } from './record-file.ts';

describe('a record file', () => {
  const texts = (): object[] =>
    Array.from({ length: 100 }, (_, k) => ({ input: `text ${k}`, label: k % 2 ? 'odd' : 'even' }));
  const classification = { task: 'classification' };

  it('holds out a seeded share of the records', async () => {
    const file = await prepare(classification, texts());
    expect([file.training.records, file.validation!.records]).toEqual([90, 10]);
    const again = await prepare({ ...classification, seed: 2 }, texts());
    const contents = async ({ validation }: RecordFile) => readFile(validation!.path);
    expect(await contents(again)).not.toEqual(await contents(await prepare(classification, texts())));
  });

  it('learns vocabularies of inputs from the training part alone, and names from the whole file', async () => {
    const records = Array.from({ length: 10 }, (_, k) => ({ input: [`word ${k}`], label: `label ${k}` }));
    const { encoding } = await prepare(classification, records);
    expect(tokensOf(encoding.input)).toHaveLength(10);
    expect(tokensOf(encoding.output)).toHaveLength(10);
  });

  it('is used again by a later attempt, unless the data changed', async () => {
    const spec = specOf(classification);
    const data = textFile(jsonLines(texts()));
    const scratch = scratchFolder();
    const request = { spec, data, validation: null, scratch };
    const first = (await prepareRecordFile(request))!;
    const sidecar = await readFile(join(scratch, 'records.json'), 'utf8');
    const resume = { encoding: first.encoding, source: first.source };
    const again = (await prepareRecordFile({ ...request, resume }))!;
    expect(await readFile(join(scratch, 'records.json'), 'utf8')).toBe(sidecar);
    expect(again.training).toEqual(first.training);
    await writeFile(data, jsonLines(texts().reverse()));
    await utimes(data, 1, 1);
    await expect(prepareRecordFile({ ...request, resume })).rejects.toMatchObject({ code: 'data_changed' });
  });

  it('gives up when it is interrupted, and leaves nothing behind', async () => {
    const data = textFile(jsonLines(texts()));
    const scratch = scratchFolder();
    let asked = 0;
    const interrupted = () => ++asked > 2;
    expect(
      await prepareRecordFile({
        spec: specOf(classification),
        data,
        validation: null,
        scratch,
        interrupted,
      }),
    ).toBeNull();
    await expect(readFile(join(scratch, 'records.bin'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps how records became numbers as JSON', async () => {
    const { encoding } = await prepare(classification, texts());
    const spec = specOf(classification);
    const copy = encodingFromJson(JSON.parse(JSON.stringify(encodingToJson(encoding))), spec.text);
    expect(encodingToJson(copy)).toEqual(encodingToJson(encoding));
  });
});
