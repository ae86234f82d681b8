import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

const placeOf = (test: TestCase): string => {
  const { parent } = test;
  return `${test.module.relativeModuleId} › ${parent.type === 'suite' ? parent.fullName : test.name}`;
};

/** Ends a run with what it left out, by name: a test that silently did not run looks like one that passed. */
export class LeftOutReporter implements Reporter {
  private filtered = false;

  onInit(vitest: Vitest): void {
    this.filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // With -t everything else counts as skipped; whoever asked for that knows.
    if (this.filtered) return;
    const places = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const place = placeOf(test);
        places.set(place, (places.get(place) ?? 0) + 1);
      }
    }
    if (places.size === 0) return;
    const lines = [...places].map(
      ([place, tests]) => `   ${place} (${tests} ${tests === 1 ? 'test' : 'tests'})`,
    );
    process.stdout.write(`\n Left out on this machine:\n${lines.join('\n')}\n\n`);
  }
}
