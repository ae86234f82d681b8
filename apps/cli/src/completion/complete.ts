import type { Unfold } from '@unfold/client';
import type { Argument, Command, Option } from 'commander';
import { collect } from '../commands/collect.ts';
import { findService } from '../service-address.ts';

export interface Candidate {
  value: string;
  description: string;
}

/** Ids and names that are offered of each kind, the newest. */
const mostOffered = 100;
/** A shell that waits longer than this for candidates feels broken. */
const patienceMs = 1500;

/** Newest jobs whose checkpoints are offered: each must be asked for its own. */
const mostJobsAsked = 20;

/** @param words what stands before; the last is what is being typed */
type Lookup = (unfold: Unfold, signal: AbortSignal, words: readonly string[]) => Promise<Candidate[]>;

const isCheckpoint = (typed: string): boolean =>
  typed !== '' && (typed.startsWith(checkpointPrefix) || checkpointPrefix.startsWith(typed));
const checkpointPrefix = 'ckpt-';

/** Newest first, as their jobs are. */
const checkpointsOf = async (unfold: Unfold, signal: AbortSignal): Promise<Candidate[]> => {
  const jobs = await collect(unfold.jobs.all({ signal }), mostJobsAsked);
  const lists = await Promise.all(
    jobs.map(async ({ id, name }) => {
      const { data } = await unfold.jobs.checkpoints(id, { signal });
      return data.map((checkpoint) => ({
        value: checkpoint.id,
        description: `${name ?? id}, step ${checkpoint.step}${checkpoint.best ? ', the best' : ''}`,
      }));
    }),
  );
  return lists.flat().slice(0, mostOffered);
};

const named = (items: readonly { id: string; name?: string | null }[], what: (index: number) => string) =>
  items.flatMap(({ id, name }, index) => [
    ...(name ? [{ value: name, description: what(index) }] : []),
    { value: id, description: name ? `${name}, ${what(index)}` : what(index) },
  ]);

/** What the service knows, by the name of the argument that takes it. */
const lookups: Record<string, Lookup> = {
  job: async (unfold, signal) => {
    const jobs = await collect(unfold.jobs.all({ signal }), mostOffered);
    return named(jobs, (index) => jobs[index]!.status);
  },
  // A checkpoint stands wherever a model does. They are many, so that somebody must have begun to type one.
  model: async (unfold, signal, words) => {
    const [models, checkpoints] = await Promise.all([
      collect(unfold.models.all({ signal }), mostOffered),
      isCheckpoint(words.at(-1) ?? '') ? checkpointsOf(unfold, signal) : [],
    ]);
    return [...named(models, (index) => models[index]!.spec?.task ?? 'imported'), ...checkpoints];
  },
  session: async (unfold, signal) => {
    const sessions = await collect(unfold.sessions.all({ signal }), mostOffered);
    return sessions.map(({ id, model }) => ({ value: id, description: model }));
  },
  snapshot: async (unfold, signal, words) => {
    const session = words.find((word) => word.startsWith('sess-'));
    if (session === undefined) return [];
    const { data } = await unfold.sessions.snapshots(session).list({ limit: mostOffered, signal });
    return data.map(({ id, tokens }) => ({ value: id, description: `after ${tokens} tokens` }));
  },
  file: async (unfold, signal) => {
    const files = await collect(unfold.files.all({ signal }), mostOffered);
    return files.map(({ id, filename }) => ({ value: id, description: filename }));
  },
  key: async (unfold, signal) => {
    const keys = await collect(unfold.keys.all({ signal }), mostOffered);
    return keys.map(({ id, name }) => ({ value: id, description: name }));
  },
};

const ask = async (kind: string, words: readonly string[]): Promise<Candidate[]> => {
  const lookup = lookups[kind];
  if (lookup === undefined) return [];
  const after = (name: string): string | undefined => words[words.indexOf(name) + 1 || words.length];
  const given = { url: after('--url'), key: after('--key'), dataDir: after('--data-dir') };
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  try {
    const unfold = await findService(options, { maxRetries: 0 });
    return await lookup(unfold, AbortSignal.timeout(patienceMs), words);
  } catch {
    // No service, no candidates: the shell has nowhere to show why.
    return [];
  }
};

const findOption = (command: Command, word: string): Option | undefined =>
  command.options.find(({ long, short }) => word === long || word === short);

const takesValue = (option: Option): boolean => option.required || option.optional;

/** What an option's value is, as its flags say it: `--model <model>`. */
const kindOf = ({ flags }: Option): string => /[<[](\w+)/.exec(flags)?.[1] ?? '';

const commandsOf = (command: Command): Candidate[] =>
  command.commands
    .filter((each) => !each.name().startsWith('__'))
    .map((each) => ({ value: each.name(), description: each.description() }));

const optionsOf = (command: Command): Candidate[] =>
  [...command.options.map(({ long, description }) => ({ value: long ?? '', description })), help].filter(
    ({ value }) => value !== '',
  );
const help = { value: '--help', description: 'how to use this' };

const valuesOf = (
  { choices, kind }: { choices: readonly string[] | undefined; kind: string },
  words: readonly string[],
): Promise<Candidate[]> | Candidate[] =>
  choices ? choices.map((value) => ({ value, description: '' })) : ask(kind, words);

interface Place {
  command: Command;
  /** Arguments of the command that are there already. */
  taken: number;
  /** The option whose value is next. */
  pending: Option | null;
}

/** Where in the tree of commands the words before the last lead. */
const findPlace = (program: Command, words: readonly string[]): Place => {
  let place: Place = { command: program, taken: 0, pending: null };
  for (const word of words) {
    const { command, taken, pending } = place;
    const next = command.commands.find((each) => each.name() === word);
    if (pending) place = { ...place, pending: null };
    else if (word.startsWith('-')) {
      const option = findOption(command, word);
      place = { ...place, pending: option && takesValue(option) ? option : null };
    } else if (next && taken === 0) place = { command: next, taken: 0, pending: null };
    else place = { ...place, taken: taken + 1 };
  }
  return place;
};

const argumentAt = ({ registeredArguments: all }: Command, index: number): Argument | undefined =>
  all[index] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);

/** The command that a group runs when none of its own is named. */
const listOf = (command: Command): Command =>
  command.commands.find((each) => each.name() === 'list') ?? command;

/**
 * What may stand in place of the last word, which may be empty. Nothing: what the shell offers by itself, files.
 * @param words what was typed after `unfold`
 */
export const complete = async (program: Command, words: readonly string[]): Promise<Candidate[]> => {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { command, taken, pending } = findPlace(program, before);
  const fits = ({ value }: Candidate): boolean => value.startsWith(current);
  if (pending)
    return (await valuesOf({ choices: pending.argChoices, kind: kindOf(pending) }, words)).filter(fits);
  if (current.startsWith('-')) return optionsOf(listOf(command)).filter(fits);
  const argument = argumentAt(command, taken);
  const values = argument
    ? await valuesOf({ choices: argument.argChoices, kind: argument.name() }, words)
    : [];
  return [...(taken === 0 ? commandsOf(command) : []), ...values].filter(fits);
};
