/**
 * Requests are generated before it is known what exists, so they name things by their place: `@@jobs:2@@` is the third
 * newest job of the moment at which the request is sent.
 */
export const placeholder = (kind: string, place: number): string => `@@${kind}:${place}@@`;

/** Ids by table, newest first. */
export type Existing = ReadonlyMap<string, readonly string[]>;

const longer = (name: string): string[] => [name, `${name}s`, name.replace(/y$/, 'ies')];

/** The table whose rows a name means: `job_id` and the path segment `jobs` are `jobs`, `keys` are `api_keys`. */
export const tableOf = (name: string, tables: readonly string[]): string | null => {
  const noun = name.replace(/_id$/, '');
  return (
    tables.find((table) => longer(noun).some((word) => table === word || table.endsWith(`_${word}`))) ?? null
  );
};

/** Puts ids where the text has placeholders; one that nothing stands for becomes an id that nobody has. */
export const resolve = (text: string, existing: Existing): string =>
  text.replace(/@@(\w+):(\d+)@@/g, (_, kind: string, place: string) => {
    const ids = existing.get(kind) ?? [];
    return ids.length === 0
      ? `${kind}-019aab2f6c4e7d3f8a1b2c3d4e5f6071`
      : (ids[Number(place) % ids.length] ?? '');
  });
