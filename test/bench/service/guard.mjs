// Ends what a benchmark has started once the benchmark has ended, however it ended: standard input closes then. Its lines are
// {"pid", "signal"}, or {"pid", "ended": true} of what has ended by itself, or {"folder"} to remove.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const signals = new Map();
const folders = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  const { pid, signal, ended, folder } = JSON.parse(line);
  if (folder !== undefined) folders.add(folder);
  else if (ended) signals.delete(pid);
  else signals.set(pid, signal);
}

const send = (pid, signal) => {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
};
for (const [pid, signal] of signals) send(pid, signal);
const deadline = Date.now() + 30_000;
for (const [pid] of signals) while (send(pid, 0) && Date.now() < deadline) await delay(50);
for (const folder of folders) rmSync(folder, { recursive: true, force: true });
