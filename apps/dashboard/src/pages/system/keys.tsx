import type { KeyResource, KeyScope } from '@unfold/contracts';
import { type FormEvent, useState } from 'react';
import { adoptKey, useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import { ago } from '../../format.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Field } from '../../ui/field.tsx';
import { Failure, Loading, Note } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { tell } from '../../ui/toasts.tsx';
import { useLoaded } from '../../use-loaded.ts';

const scopes: { id: KeyScope; what: string }[] = [
  { id: 'read', what: 'see runs, files and models' },
  { id: 'train', what: 'upload and train' },
  { id: 'infer', what: 'generate and predict' },
  { id: 'admin', what: 'everything, and keys' },
];

const NewKey = ({ first, onMade }: { first: boolean; onMade: (key: KeyResource) => void }) => {
  const { client } = useUnfold();
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<readonly KeyScope[]>(first ? ['admin'] : ['read', 'train', 'infer']);
  const [problem, setProblem] = useState<{ message: string; param: string | null } | null>(null);
  const make = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    try {
      onMade(await client.keys.create({ name, scopes: [...chosen] }));
    } catch (error) {
      setProblem(describeError(error));
    }
  };
  return (
    <form className="stack" onSubmit={make}>
      {first && (
        <Note kind="warning">
          From the first key on, everything needs one: it must have the scope admin. Note it before you close
          this.
        </Note>
      )}
      <Field label="Name" error={problem?.param === 'name' ? problem.message : null}>
        <input value={name} onChange={(event) => setName(event.target.value)} required maxLength={100} />
      </Field>
      <fieldset className="scopes">
        <legend className="field-label">It may</legend>
        {scopes.map(({ id, what }) => (
          <label key={id} className="row">
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              onChange={({ target }) =>
                setChosen((before) =>
                  target.checked ? [...before, id] : before.filter((each) => each !== id),
                )
              }
            />
            <span>
              {id} <span className="quiet small">{what}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {problem !== null && problem.param !== 'name' && <Note kind="error">{problem.message}</Note>}
      <div className="row">
        <Button kind="primary" type="submit">
          Create key
        </Button>
      </div>
    </form>
  );
};

/** The secret of a new key, until it was noted: nothing but its own button closes it. */
const Secret = ({ secret, adopted, onDone }: { secret: string; adopted: boolean; onDone: () => void }) => {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(secret);
      tell('Copied the key');
    } catch {
      // Browsers let pages copy only at an address of this machine or by https.
      tell('The browser does not let this page copy: select the key, and copy it.', { kind: 'error' });
    }
  };
  return (
    <div className="stack">
      <p>It is shown once. Keep it where secrets are kept.</p>
      <code className="secret">{secret}</code>
      {adopted && <p className="quiet">This tab uses it from now on, and forgets it when it is closed.</p>}
      <div className="row">
        <Button onClick={() => void copy()}>Copy</Button>
        <Button kind="primary" onClick={onDone}>
          Done
        </Button>
      </div>
    </div>
  );
};

/** Keys of the API, for whoever may manage them. */
export const Keys = () => {
  const { client, apiKey } = useUnfold();
  const keys = useLoaded((signal) => client.keys.list({ limit: 100, signal }), [client]);
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<{ secret: string; adopted: boolean } | null>(null);
  const [revoking, setRevoking] = useState<KeyResource | null>(null);
  const revoke = async (key: KeyResource): Promise<void> => {
    setRevoking(null);
    try {
      await client.keys.delete(key.id);
      tell(`${key.name} is revoked.`);
    } catch (error) {
      tell(describeError(error).message, { kind: 'error' });
    }
    keys.reload();
  };
  return (
    <section className="stack" aria-labelledby="keys-heading">
      <div className="row">
        <h2 id="keys-heading">API keys</h2>
        <Button
          className="push"
          onClick={() => {
            setMade(null);
            setOpen(true);
          }}
        >
          New key
        </Button>
      </div>
      {keys.state === 'loading' && <Loading />}
      {keys.state === 'failed' && <Failure error={keys.error} retry={keys.reload} />}
      {keys.state === 'there' && keys.value.data.length === 0 && (
        <p className="quiet">There is none: whoever reaches this machine's own address may do everything.</p>
      )}
      {keys.state === 'there' && keys.value.data.length > 0 && (
        <Table label="API keys">
          <thead>
            <tr>
              <th>Name</th>
              <th>Project</th>
              <th>Scopes</th>
              <th>Created</th>
              <th>Last used</th>
              <th>
                <span className="visually-hidden">Revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.value.data.map((key) => (
              <tr key={key.id}>
                <td>{key.name}</td>
                <td>{key.project}</td>
                <td>{key.scopes.join(', ')}</td>
                <td>{ago(key.created_at)}</td>
                <td>{key.last_used_at === null ? 'never' : ago(key.last_used_at)}</td>
                <td className="number">
                  <Button kind="danger" onClick={() => setRevoking(key)}>
                    Revoke
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      <Dialog
        open={open}
        title={made ? 'Your new key' : 'New API key'}
        {...(made === null && { onClose: () => setOpen(false) })}
      >
        {made ? (
          <Secret {...made} onDone={() => setOpen(false)} />
        ) : (
          <NewKey
            first={keys.value?.data.length === 0}
            onMade={({ key }) => {
              // From the first key on nothing is answered without one.
              const adopted = apiKey === null;
              if (adopted) adoptKey(key!);
              setMade({ secret: key!, adopted });
              keys.reload();
            }}
          />
        )}
      </Dialog>
      <Dialog open={revoking !== null} title="Revoke this key?" onClose={() => setRevoking(null)}>
        <p>Whatever uses {revoking?.name} is refused from now on.</p>
        <div className="row">
          <Button kind="danger" onClick={() => revoking && void revoke(revoking)}>
            Revoke {revoking?.name}
          </Button>
          <Button onClick={() => setRevoking(null)}>Keep it</Button>
        </div>
      </Dialog>
    </section>
  );
};
