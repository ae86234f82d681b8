import { expect, it } from 'vitest';
import { createProgram } from './program.ts';

it('has every command when none is named, and the one that is named as all of them have it', async () => {
  const { commands } = await createProgram(['--help']);
  expect(commands.map((command) => command.name())).toEqual(
    expect.arrayContaining(['up', 'train', 'system']),
  );
  for (const command of commands) {
    const alone = (await createProgram([command.name()])).commands.find(
      (other) => other.name() === command.name(),
    );
    expect(alone?.helpInformation(), command.name()).toBe(command.helpInformation());
  }
});
