import type { FileResource } from '@unfold/contracts';
import { type DragEvent, useId, useRef, useState } from 'react';
import { useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import { bytes } from '../../format.ts';
import { Button } from '../../ui/button.tsx';
import { Field } from '../../ui/field.tsx';
import { Progress } from '../../ui/progress.tsx';
import { useLoaded } from '../../use-loaded.ts';

interface Props {
  file: string | null;
  error: string | null;
  onFile: (file: FileResource, start: string) => void;
}

/** Chooses what is trained on: a file dropped or picked, or one that is there already. */
export const DataSection = ({ file, error, onFile }: Props) => {
  const { client } = useUnfold();
  const picker = useRef<HTMLInputElement>(null);
  const stop = useRef<AbortController>(null);
  const hint = useId();
  const [progress, setProgress] = useState<{ name: string; share: number } | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const files = useLoaded((signal) => client.files.list({ limit: 100, signal }), [client, file]);

  const send = async (chosen: File): Promise<void> => {
    setFailure(null);
    stop.current = new AbortController();
    setProgress({ name: chosen.name, share: 0 });
    try {
      const uploaded = await client.files.upload(chosen, {
        filename: chosen.name,
        signal: stop.current.signal,
        onProgress: (sent, total) =>
          setProgress({ name: chosen.name, share: total === 0 ? 1 : sent / total }),
      });
      onFile(uploaded, await chosen.slice(0, 4096).text());
    } catch (problem) {
      if (!stop.current.signal.aborted) setFailure(describeError(problem).message);
    } finally {
      setProgress(null);
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const chosen = event.dataTransfer.files[0];
    if (chosen) void send(chosen);
  };
  const choose = async (id: string): Promise<void> => {
    const known = files.value?.data.find((each) => each.id === id);
    if (known) onFile(known, '');
  };
  const all = files.value?.data ?? [];
  return (
    <div className="stack" data-option="file">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is a shortcut for the button in it. */}
      <div
        className={`drop ${over ? 'over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        {progress === null ? (
          <>
            <Button onClick={() => picker.current?.click()} aria-describedby={hint}>
              Upload a file
            </Button>
            <p className="quiet small" id={hint}>
              or drop it here: text, JSON Lines or CSV
            </p>
          </>
        ) : (
          <>
            <p className="small">
              {progress.name}, {Math.round(100 * progress.share)} %
            </p>
            <Progress share={progress.share} label={`Uploading ${progress.name}`} />
            <Button kind="bare" onClick={() => stop.current?.abort()}>
              Stop
            </Button>
          </>
        )}
        <input
          ref={picker}
          type="file"
          className="visually-hidden"
          tabIndex={-1}
          aria-label="File to upload"
          onChange={({ target }) => {
            const chosen = target.files?.[0];
            if (chosen) void send(chosen);
            target.value = '';
          }}
        />
      </div>
      {failure !== null && (
        <p className="field-error small" role="alert">
          {failure}
        </p>
      )}
      <Field label="File" error={error}>
        <select value={file ?? ''} onChange={({ target }) => void choose(target.value)}>
          <option value="" disabled>
            {all.length === 0 ? 'none yet' : 'choose one that is there'}
          </option>
          {file !== null && !all.some(({ id }) => id === file) && <option value={file}>{file}</option>}
          {all.map(({ id, filename, bytes: size }) => (
            <option key={id} value={id}>
              {filename} · {bytes(size)}
            </option>
          ))}
        </select>
      </Field>
    </div>
  );
};
