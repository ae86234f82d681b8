import { createRequire } from 'node:module';

/** What computes TensorFlow.js's operations: TensorFlow's library with or without CUDA, or WebAssembly. */
export type TfjsFlavour = 'node-gpu' | 'node' | 'wasm';

/** Packages that bring TensorFlow's library, the best first: there only where their installation could download it, or somebody added them. */
const packages = { 'node-gpu': '@tensorflow/tfjs-node-gpu', node: '@tensorflow/tfjs-node' } as const;

export type TfjsLibrary = keyof typeof packages;

export const requirePackage = createRequire(import.meta.url);

export const packageOf = (library: TfjsLibrary): string => packages[library];

function isInstalled(library: TfjsLibrary): boolean {
  try {
    requirePackage.resolve(packages[library]);
    return true;
  } catch {
    return false;
  }
}

export function installedLibraries(): TfjsLibrary[] {
  return (Object.keys(packages) as TfjsLibrary[]).filter(isInstalled);
}

/** What the engine "tfjs" is going to compute with, without loading anything of it. */
export function tfjsFlavour(): TfjsFlavour {
  return installedLibraries()[0] ?? 'wasm';
}
