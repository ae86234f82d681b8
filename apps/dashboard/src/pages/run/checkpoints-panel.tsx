import type { JobResource } from '@unfold/contracts';
import { currentAccess } from '../../api.ts';
import { ago, bytes, count, dateTime, measure } from '../../format.ts';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { saveWeights } from './save-weights.ts';

/** What was kept on the way: each can be used as a model, and its weights taken home. */
export const CheckpointsPanel = ({ job }: { job: JobResource }) => {
  const { state, value, error, reload } = useLoaded(
    (signal) => currentAccess().client.jobs.checkpoints(job.id, { limit: 100, signal }),
    [job.id, job.status],
  );
  if (state === 'loading') return <Loading what="Reading the checkpoints" />;
  if (state === 'failed') return <Failure error={error} retry={reload} />;
  if (value.data.length === 0)
    return (
      <Empty title="No checkpoint yet">
        <p>One is written at every evaluation and about every half minute.</p>
      </Empty>
    );
  return (
    <Table label="Checkpoints">
      <thead>
        <tr>
          <th className="number">Step</th>
          <th className="number">Validation loss</th>
          <th>Written</th>
          <th className="number">Size</th>
          <th>
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {value.data.map(({ id, step, validation_loss, best, created_at, bytes: size }) => (
          <tr key={id}>
            <td className="number">{count(step)}</td>
            <td className="number">
              {best && <span className="badge succeeded">best</span>} {measure(validation_loss)}
            </td>
            <td>
              <time dateTime={created_at} title={dateTime(created_at)}>
                {ago(created_at)}
              </time>
            </td>
            <td className="number">{bytes(size)}</td>
            <td>
              <div className="row row-end">
                <ButtonLink
                  kind="bare"
                  label={`Try step ${step} in the playground`}
                  to={`/playground?model=${id}`}
                >
                  <Icon name="playground" />
                </ButtonLink>
                <Button
                  kind="bare"
                  label={`Save the weights of step ${step}`}
                  onClick={() => void saveWeights(id)}
                >
                  <Icon name="download" />
                </Button>
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
};
