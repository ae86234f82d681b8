import { useState } from 'react';
import { enterKey, keyWanted } from '../api.ts';
import { useExternal } from '../external.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';

/** Asks for an API key once the API has refused to answer without one, or with the one that was given. */
export const KeyDialog = () => {
  const wanted = useExternal(keyWanted);
  const [key, setKey] = useState('');
  return (
    <Dialog open={wanted !== null} title="An API key is needed">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() !== '') enterKey(key.trim());
          setKey('');
        }}
      >
        <Field
          label="API key"
          error={wanted?.refused ? 'This key is unknown or was revoked.' : null}
          hint="Kept until this tab is closed. UNFOLD_ADMIN_KEY of the server is one; POST /v1/keys makes more."
        >
          <input
            type="password"
            autoComplete="off"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            required
          />
        </Field>
        <div className="row">
          <Button kind="primary" type="submit">
            Continue
          </Button>
        </div>
      </form>
    </Dialog>
  );
};
