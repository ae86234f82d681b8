import { UnfoldError } from '@unfold/contracts/values';

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Gives a full disk its name in the catalogue; every other error stays what it was. */
export const storageError = (error: unknown, folder: string): unknown => {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !fullCodes.has(code)) return error;
  return new UnfoldError('storage_full', `No room left for the token file in ${folder}.`, { cause: error });
};
