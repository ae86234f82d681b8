import { useEffect, useState } from 'react';
import { enterKey, forgetKey, keyWanted, useUnfold } from '../api.ts';
import { useExternal } from '../external.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';

/** Asks for an API key once the API has refused to answer without one, or with the one that was given, or when another is to be used. */
export const KeyDialog = () => {
  const wanted = useExternal(keyWanted);
  const { apiKey, remembered } = useUnfold();
  const [key, setKey] = useState('');
  const [remember, setRemember] = useState(remembered);
  useEffect(() => setRemember(remembered), [remembered]);
  const another = wanted === 'another';
  return (
    <Dialog
      open={wanted !== null}
      title={another ? 'Use another API key' : 'An API key is needed'}
      {...(another && { onClose: () => keyWanted.set(null) })}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() !== '') enterKey(key.trim(), remember);
          setKey('');
        }}
      >
        <Field
          label="API key"
          error={wanted === 'refused' ? 'This key is unknown or was revoked.' : null}
          hint="UNFOLD_ADMIN_KEY of the server is one; the page System and POST /v1/keys make more."
        >
          <input
            type="password"
            autoComplete="off"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            required
          />
        </Field>
        <label className="row">
          <input type="checkbox" checked={remember} onChange={({ target }) => setRemember(target.checked)} />
          <span>
            Remember it on this machine <span className="quiet small">else until this tab is closed</span>
          </span>
        </label>
        <div className="row">
          <Button kind="primary" type="submit">
            Continue
          </Button>
          {another && apiKey !== null && <Button onClick={forgetKey}>Forget the key in use</Button>}
        </div>
      </form>
    </Dialog>
  );
};
