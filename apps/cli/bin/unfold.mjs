#!/usr/bin/env node
// npm links a command when packages are installed, which is before anything is built: hence this file, which is there from the beginning.
import { existsSync } from 'node:fs';

const program = new URL('../dist/main.js', import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  console.error('unfold: the clone is not built yet: run npm start, or npm run build.');
  process.exitCode = 1;
}
