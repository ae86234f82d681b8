import type { DeviceResource, SystemResource, WorkerResource } from '@unfold/contracts';
import { useState } from 'react';
import { Link } from 'wouter';
import { useUnfold } from '../../api.ts';
import { ago, bytes, count, duration } from '../../format.ts';
import { Empty, Failure, Loading, Note } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { Keys } from './keys.tsx';
import './system.css';
import { usePolled } from './use-polled.ts';

const Figure = ({ name, value, more }: { name: string; value: string; more?: string }) => (
  <div className="figure">
    <dt>{name}</dt>
    <dd>
      <strong>{value}</strong>
      {more !== undefined && <span className="quiet small">{more}</span>}
    </dd>
  </div>
);

const Readiness = ({ problem }: { problem: string | null }) =>
  problem === null ? (
    <Note kind="good">The database and the queue answer.</Note>
  ) : (
    <Note kind="error">{problem}</Note>
  );

const WorkerTable = ({ workers }: { workers: readonly WorkerResource[] }) =>
  workers.length === 0 ? (
    <Empty title="No worker is running">
      <p>Jobs wait until one is started: `npm start` starts one for each device.</p>
    </Empty>
  ) : (
    <Table label="Workers">
      <thead>
        <tr>
          <th>Worker</th>
          <th>Status</th>
          <th>Device</th>
          <th>Engines</th>
          <th>Started</th>
        </tr>
      </thead>
      <tbody>
        {workers.map((worker) => (
          <tr key={worker.id}>
            <td>
              {worker.host} <span className="quiet small">process {worker.pid}</span>
            </td>
            <td>
              <span className={`dot ${worker.status}`} aria-hidden="true" />
              {worker.status}
              {worker.job_id !== null && (
                <>
                  {' with '}
                  <Link to={`/runs/${worker.job_id}`} className="underlined">
                    a run
                  </Link>
                </>
              )}
            </td>
            <td>
              {worker.device} <span className="quiet small">{worker.description}</span>
            </td>
            <td>{worker.engines.join(', ')}</td>
            <td>{ago(worker.started_at)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );

const DeviceTable = ({ devices }: { devices: readonly DeviceResource[] }) => (
  <Table label="Devices">
    <thead>
      <tr>
        <th>Device</th>
        <th>Host</th>
        <th>Memory</th>
        <th>Workers</th>
        <th>Busy</th>
      </tr>
    </thead>
    <tbody>
      {devices.map((device) => (
        <tr key={device.id}>
          <td>
            {device.device} <span className="quiet small">{device.description}</span>
          </td>
          <td>{device.host}</td>
          <td>{device.memory_bytes === null ? '–' : bytes(device.memory_bytes)}</td>
          <td>{count(device.workers)}</td>
          <td>{count(device.busy)}</td>
        </tr>
      ))}
    </tbody>
  </Table>
);

const stored: { key: keyof SystemResource['storage']; name: string }[] = [
  { key: 'files', name: 'Files' },
  { key: 'checkpoints', name: 'Checkpoints' },
  { key: 'models', name: 'Models' },
  { key: 'sessions', name: 'Sessions' },
];

const Figures = ({ system }: { system: SystemResource }) => (
  <>
    <section className="stack" aria-labelledby="queue-heading">
      <h2 id="queue-heading">Queue</h2>
      <dl className="figures">
        <Figure name="Running" value={count(system.jobs.running)} />
        <Figure
          name="Queued"
          value={count(system.jobs.queued)}
          {...(system.queue.waiting > system.jobs.queued && {
            more: `${count(system.queue.waiting)} of all projects`,
          })}
        />
        <Figure name="Paused" value={count(system.jobs.paused)} />
        <Figure name="Longest wait" value={duration(system.queue.longest_wait_seconds)} />
      </dl>
    </section>
    <section className="stack" aria-labelledby="storage-heading">
      <h2 id="storage-heading">Storage</h2>
      <dl className="figures">
        {stored.map(({ key, name }) => (
          <Figure
            key={key}
            name={name}
            value={bytes(system.storage[key].bytes)}
            more={`${count(system.storage[key].count)} kept`}
          />
        ))}
        <Figure name="Database" value={bytes(system.database_bytes)} />
        {system.disk && (
          <Figure
            name="Disk"
            value={bytes(system.disk.free_bytes)}
            more={`free of ${bytes(system.disk.total_bytes)}`}
          />
        )}
      </dl>
    </section>
  </>
);

/** What runs, what waits, what is kept. */
const SystemPage = () => {
  const { client } = useUnfold();
  const [unready, setUnready] = useState<string | null>(null);
  const { value, error, refresh } = usePolled(async (signal) => {
    // The service says itself what it misses, in words.
    await client.ready({ signal }).then(
      () => setUnready(null),
      (problem: Error) => !signal.aborted && setUnready(problem.message),
    );
    const [system, workers, devices] = await Promise.all([
      client.system({ signal }),
      client.workers.list({ limit: 100, signal }),
      client.devices.list({ limit: 100, signal }),
    ]);
    return { system, workers: workers.data, devices: devices.data };
  }, 5000);
  return (
    <div className="stack system">
      <h1>System</h1>
      {value !== null || unready !== null ? <Readiness problem={unready} /> : null}
      {value === null && error !== null && <Failure error={error} retry={refresh} />}
      {value === null && error === null && <Loading what="Asking the service" />}
      {value !== null && (
        <>
          {error !== null && (
            <Note kind="warning">These figures are not from now: the service did not answer.</Note>
          )}
          <Figures system={value.system} />
          <section className="stack" aria-labelledby="workers-heading">
            <h2 id="workers-heading">Workers</h2>
            <WorkerTable workers={value.workers} />
          </section>
          {value.devices.length > 0 && (
            <section className="stack" aria-labelledby="devices-heading">
              <h2 id="devices-heading">Devices</h2>
              <DeviceTable devices={value.devices} />
            </section>
          )}
          {value.system.scopes.includes('admin') && <Keys />}
        </>
      )}
    </div>
  );
};

export default SystemPage;
