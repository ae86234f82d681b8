import { useEffect, useState, useSyncExternalStore } from 'react';
import { createExternal, type External, useExternal } from '../external.ts';
import { openRun, type RunRecord } from './run-record.ts';

const zero = createExternal(0);
const notYet: External<{ loaded: boolean; error: unknown }> = createExternal<{
  loaded: boolean;
  error: unknown;
}>({
  loaded: false,
  error: null,
});

/** The records of these runs, opened while a component shows them. */
export const useRuns = (ids: readonly string[]): readonly RunRecord[] => {
  const [records, setRecords] = useState<readonly RunRecord[]>([]);
  const key = ids.join();
  useEffect(() => {
    const opened = key === '' ? [] : key.split(',').map(openRun);
    setRecords(opened);
    return () => {
      for (const record of opened) record.close();
    };
  }, [key]);
  return records;
};

/** Renders anew when any of the records has something new; the sum of their versions. */
export const useVersions = (records: readonly RunRecord[]): number =>
  useSyncExternalStore(
    (listener) => {
      const ends = records.flatMap(({ version, state }) => [
        version.subscribe(listener),
        state.subscribe(listener),
      ]);
      return () => {
        for (const end of ends) end();
      };
    },
    () =>
      records.reduce((sum, { version, state }) => {
        const { loaded, error } = state.get();
        return sum + version.get() + (loaded ? 1 : 0) + (error === null ? 0 : 0.5);
      }, 0),
  );

/** Whether a record is read, and what went wrong. */
export const useRecordState = (record: RunRecord | undefined) => useExternal(record?.state ?? notYet);
export const useVersion = (record: RunRecord | undefined) => useExternal(record?.version ?? zero);
