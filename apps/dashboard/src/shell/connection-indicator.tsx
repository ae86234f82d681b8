import { keyWanted } from '../api.ts';
import { useExternal } from '../external.ts';
import { connection } from '../live/connection.ts';

const texts = {
  connecting: 'Connecting',
  open: 'Live',
  lost: 'Connection lost, trying again',
  waiting: 'Waiting for an API key',
  refused: 'Not live: not allowed',
};

/** Whether what is shown is live. A lost connection heals by itself, so there is nothing to press. */
export const ConnectionIndicator = () => {
  const wanted = useExternal(keyWanted);
  const now = useExternal(connection);
  // While the page asks for a key, nothing is wrong yet.
  const state = now === 'refused' && wanted !== null && wanted !== 'another' ? 'waiting' : now;
  return (
    <p className={`connection small ${state}`} role="status" aria-label="Connection">
      {texts[state]}
    </p>
  );
};
