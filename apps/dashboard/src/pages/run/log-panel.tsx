import type { Frame } from '@unfold/contracts';
import { clock, count, dateTime } from '../../format.ts';
import type { RunRecord } from '../../live/run-record.ts';
import { Empty } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';

type Told = Extract<Frame, { type: 'status' | 'log' | 'restart' | 'checkpoint' }>;

const most = 1000;

const textOf = (frame: Told): string => {
  switch (frame.type) {
    case 'log':
      return frame.message;
    case 'status':
      return frame.error ? `${frame.status}: ${frame.error.message}` : frame.status;
    case 'restart':
      return `${frame.reason === 'resumed' ? 'Went on' : 'Rolled back'} from step ${count(frame.from_step)}`;
    case 'checkpoint':
      return `Step ${count(frame.step)}: ${frame.checkpoint_id}`;
  }
};

const kindOf = (frame: Told): string => (frame.type === 'log' ? frame.level : frame.type);

/** What happened to the run, newest first. */
export const LogPanel = ({ record }: { record: RunRecord }) => {
  const frames: Told[] = (['status', 'log', 'restart', 'checkpoint'] as const)
    .flatMap((type): Told[] => record.frames(type))
    .sort((a, b) => b.seq - a.seq);
  if (frames.length === 0) return <Empty title="Nothing has happened yet" />;
  return (
    <Table label="Log" className="log">
      <thead>
        <tr>
          <th>Time</th>
          <th>What</th>
          <th>Message</th>
        </tr>
      </thead>
      <tbody>
        {frames.slice(0, most).map((frame) => (
          <tr key={frame.seq}>
            <td className="quiet mono">
              <time dateTime={frame.at} title={dateTime(frame.at)}>
                {clock(frame.at)}
              </time>
            </td>
            <td>
              <span className={`log-kind ${kindOf(frame)}`}>{kindOf(frame)}</span>
            </td>
            <td className="log-text">{textOf(frame)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
};
