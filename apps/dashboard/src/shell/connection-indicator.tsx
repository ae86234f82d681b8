import { useExternal } from '../external.ts';
import { connection } from '../live/connection.ts';

const texts = {
  connecting: 'Connecting',
  open: 'Live',
  lost: 'Connection lost, trying again',
  refused: 'Not live: not allowed',
};

/** Whether what is shown is live. A lost connection heals by itself, so there is nothing to press. */
export const ConnectionIndicator = () => {
  const state = useExternal(connection);
  return (
    <p className={`connection small ${state}`} role="status" aria-label="Connection">
      {texts[state]}
    </p>
  );
};
