import { relative, sep } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose tests wait most of their time, for locks to run out and for processes to end. */
const waiting = ['test/chaos/', 'test/queue/'];

/** Every so manieth of the first files is one that waits. */
const distance = 6;

/**
 * Large files first, as vitest does it where it has not measured them, and those that wait spread among the first. They have few lines, and would
 * come last: some would wait while nothing is left to compute beside them, and side by side they would leave processors idle.
 */
export class SpreadSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification): boolean => {
      const path = relative(this.ctx.config.root, moduleId).replaceAll(sep, '/');
      return waiting.some((folder) => path.startsWith(folder));
    };
    const spread = sorted.filter((file) => !waits(file));
    for (const [place, file] of sorted.filter(waits).entries()) spread.splice(place * distance, 0, file);
    return spread;
  }
}
