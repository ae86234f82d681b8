import type { ModelResource } from '@unfold/contracts';
import { Field } from '../../ui/field.tsx';
import { valueAt } from './draft.ts';
import { type FormProps, OptionFields } from './option-field.tsx';
import type { Named } from './schema.ts';

/** Whether the network begins with random weights or with a trained model's. */
export const StartSection = ({
  named,
  models,
  ...form
}: { named: Named; models: readonly ModelResource[] } & FormProps) => {
  const { option } = named;
  if (option.kind !== 'group') return null;
  const model = valueAt(form.draft, 'start_from.model') as string | undefined;
  const { problem } = form;
  const error =
    problem?.param === 'start_from' || problem?.param === 'start_from.model' ? problem.message : null;
  return (
    <>
      <div className="options">
        <div data-option="start_from">
          <Field label="Start from" hint={named.description} error={error}>
            <select
              value={model ?? ''}
              onChange={({ target }) =>
                form.set('start_from', target.value === '' ? undefined : { model: target.value })
              }
            >
              <option value="">random weights</option>
              {model !== undefined && !models.some(({ id }) => id === model) && (
                <option value={model}>{model}</option>
              )}
              {models.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name ?? id}
                </option>
              ))}
            </select>
          </Field>
        </div>
      </div>
      {model !== undefined && (
        <OptionFields options={option.options.filter(({ name }) => name !== 'model')} {...form} />
      )}
    </>
  );
};
