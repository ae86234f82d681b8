import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompletionResource, JobBatch, PredictResource, ScoreResource, Task } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, startProgram } from '../support/process.ts';
import { type Service, startService } from '../support/service.ts';
import { programsOf, runSession, runTypeScript, sessionsOf } from '../support/sessions.ts';

const document = await readFile(join(root, 'apps/api/TASKS.md'), 'utf8');
const sessions = sessionsOf(document);
const common = sessions.get('')!;
sessions.delete('');

const textOf = (answer: unknown) => (answer as CompletionResource).choices[0];
const totalsOf = (answer: unknown) => (answer as ScoreResource).data.map(({ total }) => total);
const predictionsOf = (answer: unknown) => (answer as PredictResource).data;

/** By session: what the answers of its session are, in their order. */
const shows: Record<Task | 'output_recurrence' | 'sweep', (answers: unknown[]) => void> = {
  language_model([completion, scores]) {
    expect(textOf(completion)).toMatchObject({
      text: expect.stringMatching(/^ (cat|dog|fox) (sleeps|runs|sings)$/),
      finish_reason: 'stop',
    });
    const [seen, unseen] = totalsOf(scores);
    expect(seen).toBeGreaterThan(-2 * Math.log(27));
    expect(unseen).toBeLessThan(seen! - 5);
  },
  conditional_generation([question, answer, likely, unlikely]) {
    expect(textOf(question)).toMatchObject({
      text: expect.stringMatching(/^is it a \w{3}\?$/),
      finish_reason: 'stop',
    });
    expect(textOf(answer)).toMatchObject({
      text: expect.stringMatching(/^it is a \w{3}\.$/),
      finish_reason: 'stop',
    });
    expect(totalsOf(likely)[0]).toBeGreaterThan(totalsOf(unlikely)[0]! + 5);
  },
  classification([answer]) {
    expect(predictionsOf(answer)).toMatchObject([{ label: 'question' }, { label: 'answer' }]);
  },
  sequence_labeling([answer]) {
    expect(predictionsOf(answer)).toEqual([{ tags: ['DET', 'NOUN', 'VERB'] }, { tags: ['PRON', 'VERB'] }]);
  },
  output_recurrence([answer]) {
    expect(predictionsOf(answer)).toEqual([{ tags: ['odd', 'odd', 'even', 'odd', 'even', 'even'] }]);
  },
  forecasting([answer]) {
    const [{ values }] = predictionsOf(answer) as [{ values: number[][] }];
    expect(values).toHaveLength(6);
    values.forEach(([temperature, humidity], t) => {
      expect(Math.abs(temperature! - (15 + 10 * Math.sin((t * Math.PI) / 12)))).toBeLessThan(3);
      expect(Math.abs(humidity! - (60 - 20 * Math.sin((t * Math.PI) / 12)))).toBeLessThan(6);
    });
  },
  sweep([posted, succeeded]) {
    const ratesOf = (answer: unknown) => (answer as JobBatch).data.map(({ metadata }) => metadata.rate);
    expect(ratesOf(posted)).toEqual(['0.001', '0.01', '0.1']);
    expect(ratesOf(succeeded).sort()).toEqual(['0.001', '0.01', '0.1']);
  },
};

describe('the session of a task', () => {
  it('is there for every task, and for a sweep', () => {
    expect([...sessions.keys()].sort()).toEqual(Object.keys(shows).sort());
  });
});

// Of a job its queue carries only the id, so that one deployment stands for all; service.test.ts holds for each.
describe('a service', () => {
  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(join(tmpdir(), 'unfold-tasks-'));
  }, 120_000);
  afterAll(async () => {
    await service?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it.each([...sessions])('%s: uploads, trains and answers as its session says', async (name, script) => {
    const output = await runSession(common + script, service.url, folder);
    expect(output).toContain('"status":"succeeded"');
    expect(output).toMatch(/"validation_loss":\d/);
    const answers = output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    shows[name as keyof typeof shows](answers);
  });

  it('sweeps from TypeScript as the document says', async () => {
    const printed = await runTypeScript(programsOf(document).get('sweep')!, service.url);
    expect(printed).toMatch(/^4 units: \d.*\n8 units: \d.*\n16 units: \d.*\n$/);
  });

  const unfold = async (...parameters: string[]): Promise<{ code: number | null; output: string }> => {
    const program = startProgram('apps/cli/dist/main.js', {
      arguments: [...parameters, '--url', service.url],
    });
    return { code: await program.ended, output: program.output() };
  };

  it('answers the command line, about the models of the sessions', async () => {
    const sentence = await unfold('generate', 'sentences', '--context', 'question', '--seed', '1');
    expect(sentence).toEqual({ code: 0, output: expect.stringMatching(/^is it a \w{3}\?\n$/) });
    const tags = await unfold('predict', 'tagger', '[["the", "fish", "sleeps"], ["they", "fish"]]');
    expect(tags.output).toBe('DET NOUN VERB\nPRON VERB\n');
    const label = await unfold('predict', 'classifier', 'is it a cat', '--json');
    expect(JSON.parse(label.output).data).toMatchObject([{ label: 'question' }]);
    const wrong = await unfold('generate', 'sentences', '--context', 'shout');
    expect(wrong.code).toBe(1);
    expect(wrong.output).toMatch(/^unfold: context: expected a label .*"answer", "question".*"shout"/);
  });
});
