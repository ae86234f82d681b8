import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, startProgram } from '../support/process.ts';
import { type Service, startService } from '../support/service.ts';

const example = (): string => {
  const readme = readFileSync(join(root, 'packages/client/README.md'), 'utf8');
  return /```ts\n([\s\S]*?)```/.exec(readme)?.[1] as string;
};

describe("the client's README", () => {
  let service: Service;
  let folder: string;

  beforeAll(async () => {
    service = await startService();
    // Inside the clone, where the package is found.
    folder = await mkdtemp(join(root, 'test', 'client', 'example-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await service.stop();
  });

  it('holds an example that runs as it stands', async () => {
    const script = join(folder, 'example.mjs');
    await writeFile(script, example().replace('http://127.0.0.1:8080', service.url));
    const program = startProgram(script);
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).toContain('100 % uploaded');
    expect(program.output()).toMatch(/^150 \d+\.\d+$/m);
    expect(program.output()).toContain('400 invalid_value training.batch_size: ');
  });
});
