import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { JobResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, root } from '../support/process.ts';
import { type Service, startService } from '../support/service.ts';
import { sessionsOf } from '../support/sessions.ts';
import { commandFolder } from '../support/terminal.ts';

describe('the commands that ask a service', () => {
  let service: Service;
  let folder: string;

  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(join(tmpdir(), 'unfold-commands-'));
    await writeFile(join(folder, 'cats.txt'), 'the cat sat on the mat.\n'.repeat(400));
  });
  afterAll(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A script as a shell runs it where `unfold` is installed. */
  const shell = (script: string, env: Record<string, string> = {}) => {
    const { HOME = '/', PATH = '' } = process.env;
    return promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { HOME, PATH: `${commandFolder}:${PATH}`, UNFOLD_URL: service.url, ...env },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({
        code: code as number,
        stdout: stdout as string,
        stderr: stderr as string,
      }),
    );
  };

  it('do what the README shows, as it is written', async () => {
    const readme = await readFile(join(root, 'apps/cli/README.md'), 'utf8');
    const { code, stdout, stderr } = await shell(sessionsOf(readme).get('') as string);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/ sat on the mat/);
    expect(stdout).toMatch(/^ *1\.\d{3} .* the dog lay by the fog\.$/m);
    expect(stdout).toContain('cats.safetensors\n');
    expect(stdout).toMatch(/^sess-\w+$/m);
    expect(stdout).toMatch(/^job-\w+ +cats +succeeded +100%/m);
    expect(stdout).toContain('ended with 3');
    expect(stdout).toMatch(/^\{"seq":\d+,"type":"status".*"status":"succeeded"/m);
    expect(stdout).toMatch(/^parameters +\d+,\d{3},\d{3}$/m);
    expect(stdout).toMatch(/^0\.\d+ +[▁▂▃▄▅▆▇█]{14}$/m);
    const curves = await readFile(join(folder, 'curves.csv'), 'utf8');
    expect(curves).toMatch(/^step,loss,validation_loss\n10,\d\.\d+,\n/);
    expect(curves).toMatch(/^150,\d\.\d+,\d\.\d+$/m);
    const mistyped = await shell('unfold metrics cats --names los,loss');
    expect(mistyped).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^No points of los\. The job has .*loss/),
    });
    // Progress is no result.
    expect(stdout).not.toContain('step 150 of 150');
    expect(stderr).toMatch(/^step 150 of 150 · loss \d\.\d{3}/m);
    expect(stderr).toContain('long was cancelled');
  }, 180_000);

  it('tell by their exit code what happened, and on stderr why', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const cases: [script: string, code: number, said: string][] = [
      ['unfold trian', 2, 'Did you mean train?'],
      ['unfold train cats.txt --batch-size 0', 2, '--batch-size (training.batch_size): expected at least 1'],
      ['unfold train cats.txt --set training.clip.nrm=1', 2, 'Did you mean training.clip.norm?'],
      ['unfold train cats.txt --set __proto__.x=1', 2, 'Unknown field __proto__.'],
      ['unfold train cats.txt --sweep lr', 2, '--sweep: expected field=value,value'],
      [
        'unfold train cats.txt --sweep batch-size=4,0',
        2,
        '--batch-size (training.batch_size): expected at least 1',
      ],
      ['unfold train nothing.txt', 1, 'There is no file nothing.txt.'],
      ['unfold watch nobody', 1, 'No job is named "nobody".'],
      [`unfold jobs --url ${away}`, 4, `${away} cannot be reached`],
      [`unfold watch --json --url ${away}`, 4, `${away} cannot be reached`],
      ['unfold bogus --json', 2, '{"error":{"message":"unknown command'],
      ["printf '\\xff' | unfold score nobody -", 2, 'Expected UTF-8 on stdin'],
      ['unfold jobs --url http://127.0.0.1:99999', 2, '--url: expected an address'],
      ['unfold generate nobody --logprobs 2', 2, 'with --json only'],
      ['unfold up --port 99999', 2, 'Expected an integer from 0 to 65535.'],
      ['PORT=99999 unfold up', 2, 'PORT: expected an integer from 0 to 65535'],
      ['unfold weights nobody --json -o -', 2, 'would both write to stdout'],
      ['unfold weights nobody -o nowhere/x', 1, 'There is no folder nowhere.'],
      ['UNFOLD_URL= unfold jobs --data-dir .', 4, 'Start one with `unfold up`'],
    ];
    const ended = await Promise.all(cases.map(([script]) => shell(script)));
    for (const [index, [script, code, said]] of cases.entries()) {
      expect(ended[index], `${script}: ${ended[index]?.stderr}`).toMatchObject({ code, stdout: '' });
      expect(ended[index]?.stderr).toContain(said);
    }
    const { code, stderr } = await shell('unfold generate nobody --json');
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'not_found', status: 404 } });
    const over = await shell(
      `for name in one two; do unfold train cats.txt --name $name --hidden-size 8 --layers 1 --epochs 100000 --detach; unfold cancel $name; unfold watch $name || true; done > jobs.txt
      unfold watch one two`,
    );
    expect(over).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/(^.*Z {2}job-\w+ {2}cancelled\n){2}/m),
    });
  }, 120_000);

  it('print JSON for programs, and let a reader leave', async () => {
    const lists = ['jobs', 'models', 'files', 'sessions', 'keys', 'workers'];
    const printed = await Promise.all(lists.map((list) => shell(`unfold ${list} --json`)));
    for (const { stdout, stderr } of printed)
      expect(JSON.parse(stdout || '{}'), stderr).toMatchObject({ object: 'list', has_more: false });
    expect(JSON.parse((await shell('unfold system --json')).stdout)).toMatchObject({ object: 'system' });
    const { code, stdout } = await shell(
      'for i in 1 2 3; do cat cats.txt cats.txt; done > large.txt; FILE=$(unfold files upload large.txt); unfold files preview $FILE --characters 100000 | head -c 7',
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'the cat' });
  }, 120_000);

  it('tell what a run would take without leaving a file or a job behind', async () => {
    const count = async (list: string) =>
      JSON.parse((await shell(`unfold ${list} --json`)).stdout).data.length;
    const before = await Promise.all(['files', 'jobs'].map(count));
    const { stdout, stderr } = await shell(
      'unfold train cats.txt --hidden-size 8 --layers 1 --steps 10 --dry-run --json',
    );
    expect(JSON.parse(stdout || '{}'), stderr).toMatchObject({
      object: 'training.estimate',
      total_steps: 10,
    });
    expect((await shell('unfold train cats.txt --set device=gpu --dry-run')).stdout).toMatch(
      /^waits +No running worker has a gpu: the job begins when one is started\.$/m,
    );
    expect(await shell('unfold train cats.txt --dry-run --detach')).toMatchObject({ code: 2 });
    expect(await Promise.all(['files', 'jobs'].map(count))).toEqual(before);
  });

  it('train from a spec in a file, options before it and --set before both', async () => {
    const spec = {
      name: 'from-file',
      seed: 5,
      model: { hidden_size: 99, num_layers: 1 },
      training: { max_steps: 2 },
    };
    await writeFile(join(folder, 'job.json'), JSON.stringify(spec));
    const { stdout, stderr } = await shell(
      'unfold train cats.txt --spec job.json --hidden-size 8 --set training.clip=null --set seed=6 --detach --json',
    );
    expect(JSON.parse(stdout || '{}'), stderr).toMatchObject({
      name: 'from-file',
      spec: { seed: 6, model: { hidden_size: 8, num_layers: 1 }, training: { max_steps: 2, clip: null } },
    });
  }, 60_000);

  it('train a sweep: a run for each combination, posted at once and labelled with its values', async () => {
    const { stdout, stderr } = await shell(
      `unfold train cats.txt --name swept --hidden-size 8 --layers 1 --steps 2 --label team=grid --json \
        --sweep lr=0.01,0.1 --sweep 'model.cell=gru,elman'`,
    );
    const { object, data } = JSON.parse(stdout || '{}');
    expect(object, stderr).toBe('list');
    expect(
      data.map(({ name, metadata }: JobResource) => [
        name,
        metadata.lr,
        metadata['model.cell'],
        metadata.team,
      ]),
    ).toEqual([
      ['swept-1', '0.01', 'gru', 'grid'],
      ['swept-2', '0.01', 'elman', 'grid'],
      ['swept-3', '0.1', 'gru', 'grid'],
      ['swept-4', '0.1', 'elman', 'grid'],
    ]);
    expect(data[3].spec).toMatchObject({
      model: { cell: 'elman' },
      training: { optimizer: { learning_rate: 0.1 } },
    });
    const ids = await shell('unfold train cats.txt --hidden-size 8 --layers 1 --steps 2 --sweep seed=1,2,3');
    expect(ids.stdout).toMatch(/^(job-\w+\n){3}$/);
  }, 60_000);
});
