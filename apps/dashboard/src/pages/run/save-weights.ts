import { currentAccess } from '../../api.ts';
import { download } from '../../charts/export.ts';
import { describeError } from '../../describe-error.ts';
import { tell } from '../../ui/toasts.tsx';

/** Saves a model's or a checkpoint's weights as a file. Without a key the browser loads it by itself, with progress of its own. */
export const saveWeights = async (model: string): Promise<void> => {
  const { apiKey } = currentAccess();
  const address = `/v1/models/${encodeURIComponent(model)}/weights`;
  try {
    if (apiKey === null) {
      const link = document.createElement('a');
      link.href = address;
      link.download = `${model}.safetensors`;
      link.click();
      return;
    }
    const answer = await currentAccess().client.models.weights(model);
    download(await answer.blob(), `${model}.safetensors`);
  } catch (error) {
    tell(describeError(error).message, { kind: 'error' });
  }
};
