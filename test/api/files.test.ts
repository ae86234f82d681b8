import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type Api, expectError, smallSpec, startApi, submit, upload } from './support.ts';

const limit = 300_000;
let api: Api;

beforeAll(async () => {
  api = await startApi({ limits: { uploadBytes: limit } });
});
afterAll(async () => api.stop());

/** What lies in the artifact store: whole files, and those that are still being written. */
const stored = async (): Promise<string[]> => {
  const folders = ['files', '.tmp'].map((name) =>
    readdir(join(api.config.artifactsDir, name)).catch(() => []),
  );
  return (await Promise.all(folders)).flat();
};

/** Begins an upload over a bare socket, whose end the test decides. */
const beginUpload = (announcedBytes: number): Socket => {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${announcedBytes}\r\n\r\n` +
      '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\ntraining\r\n' +
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n',
  );
  return socket;
};

describe('POST /v1/files', () => {
  it('takes the seconds of expires_after in digits only, and says what it expected', async () => {
    const post = (anchor: string, seconds: string) =>
      api.request
        .post('/v1/files')
        .field('purpose', 'training')
        .field('expires_after[anchor]', anchor)
        .field('expires_after[seconds]', seconds)
        .attach('file', Buffer.from('abc'), 'a.txt');
    expect((await post('created_at', '4000')).status).toBe(201);
    for (const seconds of ['1e4', '0x1000', ' 4000 ', '4000.0', '+4000', ''])
      expect((await post('created_at', seconds)).body.error).toMatchObject({
        message: `expires_after.seconds: expected a number of seconds in digits, but received ${JSON.stringify(seconds)}.`,
        code: 'invalid_value',
        param: 'expires_after.seconds',
      });
    expect((await post('deleted_at', '4000')).body.error).toMatchObject({
      message: 'expires_after.anchor: expected "created_at", but received "deleted_at".',
      param: 'expires_after.anchor',
    });
  });

  it('records bytes, sha256, characters and lines on the way, with the fields in either order', async () => {
    const text = 'Grüße,\n🐋!\n';
    const bytes = Buffer.from(text);
    const first = await api.request
      .post('/v1/files')
      .attach('file', bytes, 'wal.txt')
      .field('purpose', 'training');
    expect(first.status).toBe(201);
    expect(fileResource.parse(first.body)).toMatchObject({
      bytes: bytes.length,
      characters: 10,
      lines: 2,
      filename: 'wal.txt',
      purpose: 'training',
      sha256: createHash('sha256').update(bytes).digest('hex'),
      invalid_utf8_offset: null,
    });
    const second = await api.request
      .post('/v1/files')
      .field('purpose', 'user_data')
      .attach('file', bytes, 'a/b/wal.txt');
    expect(second.body).toMatchObject({ filename: 'wal.txt', purpose: 'user_data' });
    expect(second.headers.location).toBe(`/v1/files/${second.body.id}`);
  });

  it('keeps a file that is not UTF-8, with the offset of its first wrong byte', async () => {
    const answer = await api.request
      .post('/v1/files')
      .field('purpose', 'training')
      .attach('file', Buffer.from([0x61, 0x62, 0xff]), 'x');
    expect(answer.body).toMatchObject({ characters: null, invalid_utf8_offset: 2 });
  });

  it('answers 413 above the limit, announced or not, keeps nothing and leaves no connection hanging', async () => {
    const before = await stored();
    const above = await api.request
      .post('/v1/files')
      .field('purpose', 'training')
      .attach('file', randomBytes(limit + 1), 'x');
    expectError(above, 413, 'payload_too_large', 'file');
    const far = await api.request
      .post('/v1/files')
      .field('purpose', 'training')
      .attach('file', randomBytes(4 * limit), 'x');
    expectError(far, 413, 'payload_too_large', 'file');
    const atLimit = await api.request
      .post('/v1/files')
      .field('purpose', 'training')
      .attach('file', randomBytes(limit), 'x');
    expect(atLimit.status).toBe(201);
    await waitFor(
      'only the good file to be there',
      async () => (await stored()).length === before.length + 1,
    );
  });

  it('answers 413 in the middle of an upload of unknown length', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
      for (let sent = 0; sent < 100; sent += 1) yield randomBytes(64 * 1024);
    }
    const answer = await fetch(`${api.url}/v1/files`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: endless() as never,
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(413);
  });

  it('leaves nothing of an upload that is cut off in the middle', async () => {
    const before = await stored();
    const socket = beginUpload(250_000);
    socket.write(randomBytes(100_000));
    await waitFor('the upload to have begun', async () => (await stored()).length > before.length);
    socket.destroy();
    await waitFor('its traces to be gone', async () => (await stored()).length === before.length);
    const list = await api.request.get('/v1/files?limit=100');
    expect(list.body.data).toHaveLength(before.length);
  });

  it('gives the stored answer for the same Idempotency-Key, and 422 for another file under it', async () => {
    const send = (text: string) =>
      api.request
        .post('/v1/files')
        .set('idempotency-key', 'upload-1')
        .field('purpose', 'training')
        .attach('file', Buffer.from(text), 'a.txt');
    const first = await send('one');
    const again = await send('one');
    expect(again.status).toBe(first.status);
    expect(again.body).toEqual(first.body);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expectError(await send('two'), 422, 'idempotency_mismatch');
    const odd = api.request.post('/v1/files').set('idempotency-key', 'a b');
    expectError(
      await odd.field('purpose', 'training').attach('file', Buffer.from('x'), 'a'),
      400,
      'invalid_value',
      'Idempotency-Key',
    );
  });
});

describe('GET /v1/files', () => {
  it('lists newest first, page by page, each file once', async () => {
    const known = (await api.request.get('/v1/files?limit=100')).body.data.map(
      ({ id }: { id: string }) => id,
    );
    const seen: string[] = [];
    for (let after = ''; ; ) {
      const page = (await api.request.get(`/v1/files?limit=2${after}`)).body;
      seen.push(...page.data.map(({ id }: { id: string }) => id));
      if (!page.has_more) break;
      after = `&after=${page.data.at(-1).id}`;
    }
    expect(seen).toEqual(known);
    expect(seen).toEqual([...seen].sort().reverse());
    expect((await api.request.get('/v1/files?purpose=validation')).body.data).toEqual([]);
  });

  it('streams the content with its length and its sha256 as ETag', async () => {
    const bytes = randomBytes(200_000);
    const id = await upload(api, bytes);
    const answer = await fetch(`${api.url}/v1/files/${id}/content`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect(answer.headers.get('content-length')).toBe('200000');
    const etag = answer.headers.get('etag') as string;
    expect(etag).toBe(`"${createHash('sha256').update(bytes).digest('hex')}"`);
    const unchanged = await fetch(`${api.url}/v1/files/${id}/content`, {
      headers: { 'if-none-match': etag },
    });
    expect(unchanged.status).toBe(304);
  });

  it('previews whole characters', async () => {
    const id = await upload(api, '🐋🐋🐋 and more');
    const answer = await api.request.get(`/v1/files/${id}/preview?characters=2`);
    expect(answer.body).toEqual({ id, object: 'file.preview', text: '🐋🐋', truncated: true });
    const whole = await api.request.get(`/v1/files/${id}/preview`);
    expect(whole.body).toMatchObject({ text: '🐋🐋🐋 and more', truncated: false });
    const binary = await upload(api, Buffer.from([0x61, 0, 0xff, 0x62]));
    expect((await api.request.get(`/v1/files/${binary}/preview`)).body.text).toBe('a\uFFFD\uFFFDb');
    const empty = await upload(api, '');
    expect((await api.request.get(`/v1/files/${empty}/preview`)).body).toMatchObject({
      text: '',
      truncated: false,
    });
  });

  it('answers 404 for an unknown file', async () => {
    for (const path of ['', '/content', '/preview'])
      expectError(await api.request.get(`/v1/files/file-${'0'.repeat(32)}${path}`), 404, 'not_found');
  });
});

describe('DELETE /v1/files/:id', () => {
  it('removes row and bytes', async () => {
    const id = await upload(api, 'to be deleted');
    const answer = await api.request.delete(`/v1/files/${id}`);
    expect(answer.body).toEqual({ id, object: 'file', deleted: true });
    expectError(await api.request.get(`/v1/files/${id}/content`), 404, 'not_found');
    expect(await stored()).not.toContain(id);
  });

  it('refuses with in_use, naming the job, while an unfinished job uses the file', async () => {
    const job = await submit(api);
    const error = expectError(await api.request.delete(`/v1/files/${job.spec.file}`), 409, 'in_use');
    expect(error.message).toContain(job.id);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    expect((await api.request.delete(`/v1/files/${job.spec.file}`)).status).toBe(200);
    expectError(await api.request.post('/v1/jobs').send(smallSpec(job.spec.file)), 404, 'not_found', 'file');
  });
});
