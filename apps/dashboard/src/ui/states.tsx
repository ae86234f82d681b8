import type { ReactNode } from 'react';
import { keyWanted } from '../api.ts';
import { describeError } from '../describe-error.ts';
import { Button } from './button.tsx';
import './states.css';

/** While something is awaited. Shows itself only after a moment, so that what comes at once does not flicker. */
export const Loading = ({ what = 'Loading' }: { what?: string }) => (
  <p className="state loading quiet" role="status">
    <span className="spinner" aria-hidden="true" />
    {what} …
  </p>
);

/** The title of a state, which is that of the page where the state is all of it. */
const Title = ({ isPage, children }: { isPage: boolean; children: string }) =>
  isPage ? <h1>{children}</h1> : <h2>{children}</h2>;

/** Where nothing is yet: what would be here, and how to get it. */
export const Empty = ({
  title,
  isPage = false,
  children,
}: {
  title: string;
  isPage?: boolean;
  children?: ReactNode;
}) => (
  <div className="state empty">
    <Title isPage={isPage}>{title}</Title>
    {children !== undefined && <div className="quiet stack">{children}</div>}
  </div>
);

/** What went wrong, in the API's own words, with a way to try again, and to another key where this one may not do it. */
export const Failure = ({
  error,
  retry,
  isPage = false,
}: {
  error: unknown;
  retry?: () => void;
  isPage?: boolean;
}) => {
  const { title, message, requestId, forbidden } = describeError(error);
  return (
    <div className="state failure" role="alert">
      <Title isPage={isPage}>{title}</Title>
      <p>{message}</p>
      {requestId !== null && <p className="quiet small">Request {requestId}</p>}
      {(retry !== undefined || forbidden) && (
        <div className="row">
          {retry !== undefined && <Button onClick={retry}>Try again</Button>}
          {forbidden && <Button onClick={() => keyWanted.set('another')}>Use another key</Button>}
        </div>
      )}
    </div>
  );
};

/** A sentence that stands out: a warning, an error of a job, a note. */
export const Note = ({
  kind,
  children,
}: {
  kind: 'info' | 'warning' | 'error' | 'good';
  children: ReactNode;
}) => (
  <div className={`note ${kind}`} role={kind === 'error' ? 'alert' : undefined}>
    {children}
  </div>
);
