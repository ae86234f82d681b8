import { beforeEach, describe, expect, it } from 'vitest';
import { createModelMemory, type ModelMemory, type ThreadModels } from './model-memory.ts';
import type { ModelSource } from './protocol.ts';

const model = (name: string, bytes = 10): ModelSource => ({
  path: `/${name}`,
  sha256: name,
  bytes,
  kind: 'model',
});

let memory: ModelMemory;
let held: { models: number; bytes: number };
/** What threads were told to let go: `<thread><model>`. */
let told: string[];
let a: ThreadModels;
let b: ThreadModels;

beforeEach(() => {
  told = [];
  memory = createModelMemory(30, (now) => {
    held = now;
  });
  [a, b] = ['a', 'b'].map((name) => memory.thread((sha256) => told.push(name + sha256))) as [
    ThreadModels,
    ThreadModels,
  ];
});

/** A call that came and went. */
const call = (thread: ThreadModels, name: string): void => thread.use(model(name)).leave();

describe('the memory that threads share', () => {
  it('lets the least recently used go, whichever thread has it', () => {
    call(a, '1');
    call(b, '2');
    call(a, '3');
    call(a, '1');
    call(a, '4');
    expect(told).toEqual(['b2']);
    expect(b.has('2')).toBe(false);
  });

  it('lets a second copy go before the only copy of another model, however lately it was used', () => {
    call(a, '2');
    const busy = a.use(model('1'));
    call(b, '1');
    call(b, '3');
    expect(told).toEqual(['b1']);
    busy.leave();
    // Now the copy is the only one.
    call(b, '4');
    expect(told).toEqual(['b1', 'a2']);
  });

  it('never lets go what is in use, and refuses what has no room beside that', () => {
    const uses = ['1', '2', '3'].map((name) => a.use(model(name)));
    expect(memory.fits(1)).toBe(false);
    expect(() => b.use(model('4'))).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => b.use(model('5', 31))).toThrow(expect.objectContaining({ code: 'limit_exceeded' }));
    expect(told).toEqual([]);
    uses[1]!.leave();
    b.use(model('4'));
    expect(told).toEqual(['a2']);
  });

  it('refuses what cannot have room without letting anything go for nothing', () => {
    a.use(model('1', 15));
    call(b, '2');
    expect(() => b.use(model('3', 16))).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(told).toEqual([]);
  });

  it('has the next one wait until the memory of what went is free', async () => {
    for (const name of ['1', '2', '3']) call(a, name);
    const { room } = b.use(model('4'));
    let free = false;
    void room!.then(() => {
      free = true;
    });
    // Whoever comes meanwhile waits for the same.
    expect(b.use(model('4')).room).toBe(room);
    expect(held.bytes).toBe(40);
    a.report('2', 12);
    await new Promise(setImmediate);
    expect(free).toBe(false);
    a.report('1', 0);
    await room;
    expect(held).toEqual({ models: 3, bytes: 32 });
    expect(b.use(model('4')).room).toBeNull();
  });

  it('lets others go for the room that a model takes as it is used, but not the model itself', () => {
    call(a, '2');
    a.use(model('1'));
    a.report('1', 25);
    expect(told).toEqual(['a2']);
    a.report('2', 0);
    const { leave } = b.use(model('3', 5));
    a.report('1', 50);
    expect(told).toEqual(['a2']);
    leave();
    expect(told).toEqual(['a2']);
    a.report('1', 60);
    expect(told).toEqual(['a2', 'b3']);
    expect(a.has('1')).toBe(true);
  });

  it('is within its limit again once what grew beyond it is idle', () => {
    const uses = [a.use(model('1')), b.use(model('2'))];
    a.report('1', 25);
    b.report('2', 25);
    for (const use of uses) use.leave();
    expect(told).toEqual(['a1']);
  });

  it('forgets what could not be loaded, and what a dead thread had', async () => {
    const use = a.use(model('1'));
    a.report('1', 0);
    use.leave();
    expect(a.has('1')).toBe(false);
    for (const name of ['1', '2', '3']) call(a, name);
    const { room } = b.use(model('4'));
    a.end();
    await room;
    expect(held).toEqual({ models: 1, bytes: 10 });
  });

  it('tells a thread to let go what it is still to load only after it was told to load it', async () => {
    for (const name of ['1', '2', '3']) call(a, name);
    const { room, leave } = b.use(model('4'));
    leave();
    a.use(model('5', 30));
    expect(told).toEqual(['a1', 'a2', 'a3']);
    a.report('1', 0);
    await room;
    expect(told).toEqual(['a1', 'a2', 'a3', 'b4']);
  });
});
