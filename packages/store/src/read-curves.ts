import type { MetricsResource } from '@unfold/contracts';
import { type CurveFrame, createCurves } from './curves.ts';
import { Prisma, type Statements } from './database.ts';
import type { MetricsQuery } from './repositories.ts';
import { largestInteger } from './statements.ts';

/** Frames of the log that are read at once: many, since each page costs a round trip, but few enough to keep the thread for milliseconds only. */
const pageFrames = 4096;

/** Values of JSON, one behind the other: the driver decodes one row instead of thousands, and PostgreSQL reads no JSON at all. */
interface Page {
  frames: string | null;
  times: string | null;
}

const listed = <T>(values: string | null): T[] => (values === null ? [] : JSON.parse(`[${values}]`));

/** Reads a job's log in its order and makes its curves of it. */
export const readCurves = async (
  queries: Statements,
  job_id: string,
  query: MetricsQuery,
): Promise<MetricsResource> => {
  const times = query.times
    ? Prisma.sql`string_agg(round(date_part('epoch', at) * 1000)::bigint::text, ',' ORDER BY seq)`
    : Prisma.sql`NULL`;
  const afterStep = Math.min(query.after_step ?? -1, largestInteger);
  const readPage = async (after: number): Promise<Page | undefined> => {
    const [page] = await queries.$queryRaw<Page[]>`
      SELECT string_agg(body::text, ',' ORDER BY seq) AS frames, ${times} AS times FROM events
      WHERE job_id = ${job_id} AND seq > ${after}::int AND seq <= ${after + pageFrames}::int
        AND (type = 'restart' OR type = 'metric' AND step > ${afterStep}::int)`;
    return page;
  };
  const [row] = await queries.$queryRaw<{ head: number }[]>`
    SELECT next_seq - 1 AS head FROM job_heads WHERE job_id = ${job_id}`;
  const head = row?.head ?? 0;
  const curves = createCurves(query);
  let coming = head > 0 ? readPage(0) : null;
  for (let after = pageFrames; coming !== null; after += pageFrames) {
    const page = await coming;
    // PostgreSQL gathers the next page while this one is read.
    coming = after < head ? readPage(after) : null;
    const at = listed<number>(page?.times ?? null);
    for (const [place, frame] of listed<CurveFrame>(page?.frames ?? null).entries())
      curves.read(frame, at[place] ?? 0);
  }
  return curves.toMetrics(job_id, head);
};
