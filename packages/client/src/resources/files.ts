import type { DeletedResource, FilePreview, FileResource } from '@unfold/contracts';
import type { CallOptions, Http } from '../http.ts';
import { type List, listAt, type PageOptions, part } from '../pages.ts';
import { type UploadOptions, upload } from '../upload.ts';

export interface FileListOptions extends PageOptions {
  purpose?: FileResource['purpose'] | undefined;
}

/** Uploads, and what was seen of them on the way. */
export interface Files extends List<FileResource, FileListOptions> {
  upload(content: Blob, options: UploadOptions): Promise<FileResource>;
  get(id: string, options?: CallOptions): Promise<FileResource>;
  delete(id: string, options?: CallOptions): Promise<DeletedResource>;
  /** The bytes as they were uploaded, as the body of the answer. */
  content(id: string, options?: CallOptions): Promise<Response>;
  /** The beginning as text. @param options.characters default 1000 */
  preview(id: string, options?: CallOptions & { characters?: number | undefined }): Promise<FilePreview>;
}

export const createFiles = (http: Http): Files => {
  const path = '/v1/files';
  const at = (id: string): string => `${path}/${part(id)}`;
  return {
    ...listAt<FileResource, FileListOptions>(http, path),
    upload: (content, options) => upload(http, content, options),
    get: (id, options) => http.call(at(id), options),
    delete: (id, options) => http.call(at(id), { ...options, method: 'DELETE' }),
    content: (id, options) => http.send(`${at(id)}/content`, options),
    preview: (id, { characters, signal } = {}) =>
      http.call(`${at(id)}/preview`, { query: { characters }, signal }),
  };
};
