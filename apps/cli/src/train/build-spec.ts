import { readFile } from 'node:fs/promises';
import { nearest } from '@unfold/config';
import { type JobSpecInput, jobSpec, parseRequest, UnfoldError } from '@unfold/contracts';
import { messageOf } from '../command-error.ts';
import { type Draft, isObject, parseValue, setField, usage } from './draft.ts';
import { keyOf, nameOfField, specOptions } from './spec-options.ts';
import { expandSweep } from './sweep.ts';

const readSpecFile = async (path: string): Promise<Draft> => {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw usage(`--spec: ${path} cannot be read as JSON: ${messageOf(error)}`);
  }
  if (!isObject(content)) throw usage(`--spec: expected ${path} to hold an object.`);
  return content;
};

/** Every field of a spec and of its parts, by its path, as the defaults have them. */
const knownFields = (): string[] => {
  const known = new Set(['training.clip.value', ...specOptions.map(({ path }) => path)]);
  const gather = (value: unknown, path: string): void => {
    if (path !== '') known.add(path);
    if (isObject(value))
      for (const [name, inner] of Object.entries(value))
        gather(inner, path === '' ? name : `${path}.${name}`);
  };
  gather(jobSpec.parse({ file: placeholder }), '');
  return [...known];
};

/** An id for a file that is not uploaded yet. */
const placeholder = `file-${'0'.repeat(32)}`;

/** Refuses here what the API would refuse after the upload. */
const check = (draft: Draft): void => {
  try {
    parseRequest(jobSpec, { ...draft, file: placeholder, validation_file: null });
  } catch (error) {
    if (!(error instanceof UnfoldError)) throw error;
    const { param, code, message } = error;
    if (code === 'unknown_field' && param !== null) {
      const meant = nearest(param, knownFields());
      throw usage(meant === null ? message : `${message} Did you mean ${meant}?`);
    }
    const field = param === null ? null : nameOfField(param);
    throw usage(
      field !== null && message.startsWith(`${param}:`) ? message.replace(param as string, field) : message,
    );
  }
};

export interface SpecSources {
  /** A JSON file to begin with. */
  spec?: string;
  /** `path=value`, in order. */
  set?: string[];
  label?: Record<string, string>;
  /** `field=value,value`, each to be tried with all others. */
  sweep?: string[];
  /** The common options, by the names of `specOptions`. */
  [option: string]: unknown;
}

/**
 * The spec that a command line means, without its files: the file of `--spec`, then options, then `--set`. What `--sweep` makes of it is
 * checked, too.
 * @throws CommandError saying which option is wrong, and how
 */
export const buildSpec = async (
  sources: SpecSources,
): Promise<Omit<JobSpecInput, 'file'> & { file?: string }> => {
  const draft = sources.spec === undefined ? {} : await readSpecFile(sources.spec);
  for (const option of specOptions) {
    const given = sources[keyOf(option)];
    if (typeof given !== 'string') continue;
    // A name is text even if it looks like a number.
    setField(
      draft,
      option.path,
      ['name', 'start_from.model'].includes(option.path) ? given : parseValue(given),
    );
  }
  for (const entry of sources.set ?? []) {
    const [path, text] = entry.split(/=(.*)/s);
    if (!path || text === undefined)
      throw usage(`--set: expected path=value, such as training.clip.norm=1, but received "${entry}".`);
    setField(draft, path, parseValue(text));
  }
  for (const [key, value] of Object.entries(sources.label ?? {})) {
    const { metadata } = draft;
    draft.metadata = { ...(isObject(metadata) && metadata), [key]: value };
  }
  for (const each of expandSweep(draft, sources.sweep ?? [])) check(each);
  return draft as Omit<JobSpecInput, 'file'> & { file?: string };
};
