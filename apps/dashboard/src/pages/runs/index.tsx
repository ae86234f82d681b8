import { useCallback, useEffect, useMemo } from 'react';
import { useSearchParams } from 'wouter';
import { useExternal } from '../../external.ts';
import { count } from '../../format.ts';
import { deleting } from '../../jobs/delete-later.ts';
import { keepListFresh, knownJobs, loadJobs } from '../../live/jobs.ts';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Field } from '../../ui/field.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { filters, readView, type Sort, select, type View, writeView } from './listing.ts';
import { RunRow } from './run-row.tsx';
import './runs.css';

const pageSize = 50;
const mostCompared = 8;

const columns: { title: string; sort?: Sort; number?: boolean }[] = [
  { title: 'Name', sort: 'name' },
  { title: 'Status', sort: 'status' },
  { title: 'Progress', sort: 'progress' },
  { title: 'Loss' },
  { title: 'Tokens/s', number: true },
  { title: 'Device' },
  { title: 'Created', sort: 'created' },
];

/** All runs, live, with what they are compared, filtered and sorted by in the address. */
const RunsPage = () => {
  useEffect(keepListFresh, []);
  const { byId, loaded, more, error } = useExternal(knownJobs);
  const hidden = useExternal(deleting);
  const [query, setQuery] = useSearchParams();
  const view = useMemo(() => readView(query), [query]);
  const change = useCallback(
    (changes: Partial<View>) =>
      setQuery((last) => writeView({ ...readView(last), page: 1, ...changes }), { replace: true }),
    [setQuery],
  );
  const onSelect = useCallback(
    (id: string, selected: boolean) =>
      setQuery(
        (last) => {
          const now = readView(last);
          const { byId } = knownJobs.get();
          const others = now.selected.filter((other) => other !== id && byId.has(other));
          return writeView({ ...now, selected: selected ? [...others, id].slice(-mostCompared) : others });
        },
        { replace: true },
      ),
    [setQuery],
  );
  const present = useMemo(() => [...byId.values()].filter(({ id }) => !hidden.has(id)), [byId, hidden]);
  const selected = view.selected.filter((id) => byId.has(id) && !hidden.has(id));
  const found = useMemo(() => select(present, view), [present, view]);

  if (!loaded)
    return error ? (
      <Failure isPage error={error} retry={() => void loadJobs()} />
    ) : (
      <Loading what="Reading the runs" />
    );
  if (present.length === 0)
    return (
      <Empty isPage title="Nothing has been trained yet">
        <p>
          A run takes a text or a table, a recurrent network, and some minutes. Its curves appear here as it
          learns.
        </p>
        <div>
          <ButtonLink kind="primary" to="/new">
            <Icon name="new" />
            New run
          </ButtonLink>
        </div>
      </Empty>
    );

  const pages = Math.max(1, Math.ceil(found.length / pageSize));
  const page = Math.min(view.page, pages);
  const shown = found.slice((page - 1) * pageSize, page * pageSize);
  const sortBy = (sort: Sort) => change({ sort, reversed: view.sort === sort && !view.reversed });
  return (
    <>
      <header className="page-head">
        <h1>Runs</h1>
        <ButtonLink kind="primary" to="/new" className="push">
          <Icon name="new" />
          New run
        </ButtonLink>
      </header>
      <search className="row runs-bar">
        <Field label="Search" hideLabel>
          <input
            type="search"
            placeholder="Search names, networks, labels"
            value={view.search}
            onChange={(event) => change({ search: event.target.value })}
          />
        </Field>
        <Field label="Status" hideLabel>
          <select
            value={view.filter}
            onChange={(event) => change({ filter: event.target.value as View['filter'] })}
          >
            {filters.map((filter) => (
              <option key={filter} value={filter}>
                {filter === 'all' ? 'All statuses' : filter}
              </option>
            ))}
          </select>
        </Field>
        <span className="quiet small" role="status">
          {found.length === 1 ? '1 run' : `${count(found.length)} runs`}
          {more ? ', the newest' : ''}
        </span>
        {selected.length > 0 && (
          <div className="row push">
            {selected.length > 1 ? (
              <ButtonLink to={`/compare?runs=${selected.join(',')}`}>Compare {selected.length}</ButtonLink>
            ) : (
              <span className="quiet small">Select another to compare</span>
            )}
            <Button kind="bare" onClick={() => change({ selected: [] })}>
              Clear
            </Button>
          </div>
        )}
      </search>
      {found.length === 0 ? (
        <Empty title="No run is like that">
          <div>
            <Button onClick={() => change({ search: '', filter: 'all' })}>Show all</Button>
          </div>
        </Empty>
      ) : (
        <Table label="Runs" className="runs">
          <thead>
            <tr>
              <th>
                <span className="visually-hidden">Compare</span>
              </th>
              {columns.map(({ title, sort, number }) => (
                <th
                  key={title}
                  className={number ? 'number' : undefined}
                  aria-sort={view.sort === sort ? (view.reversed ? 'descending' : 'ascending') : undefined}
                >
                  {sort === undefined ? (
                    title
                  ) : (
                    <button type="button" className="sort" onClick={() => sortBy(sort)}>
                      {title}
                      {view.sort === sort && <Icon name={view.reversed ? 'up' : 'down'} size={12} />}
                    </button>
                  )}
                </th>
              ))}
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((job) => (
              <RunRow key={job.id} job={job} selected={view.selected.includes(job.id)} onSelect={onSelect} />
            ))}
          </tbody>
        </Table>
      )}
      {pages > 1 && (
        <nav className="row pager" aria-label="Pages of runs">
          <Button disabled={page === 1} onClick={() => change({ page: page - 1 })}>
            Newer
          </Button>
          <span className="quiet small">
            Page {page} of {pages}
          </span>
          <Button disabled={page === pages} onClick={() => change({ page: page + 1 })}>
            Older
          </Button>
        </nav>
      )}
    </>
  );
};

export default RunsPage;
