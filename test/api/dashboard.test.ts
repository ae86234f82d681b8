import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { type Api, expectError, startApi } from './support.ts';

const built = existsSync(join(root, 'apps/dashboard/dist/page/index.html'));
const title = built ? 'The page' : 'The page, which is not built here (npm run build)';
const pages = ['/', '/runs', '/runs/job-0', '/compare?runs=a,b', '/new', '/playground', '/system'];

describe('A server without a built page', () => {
  it('says so at its addresses, and how to build it', async () => {
    const api = await startApi({ pageDir: join(root, 'no-such-folder') });
    try {
      const { message } = expectError(await api.request.get('/'), 404, 'not_found');
      expect(message).toContain('npm run build');
      expect((await api.request.get('/health')).status).toBe(200);
    } finally {
      await api.stop();
    }
  });
});

describe.skipIf(!built)(title, () => {
  let api: Api;
  beforeAll(async () => {
    // With a key everything else is closed.
    api = await startApi({ config: { adminKey: 'a-key-for-this-test-alone' } });
  });
  afterAll(() => api?.stop());

  it.each(pages)('is served at %s without a key, under a strict policy', async (path) => {
    const { status, headers, text } = await api.request.get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/html/);
    const policy = headers['content-security-policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)/);
    // Nothing from another host: every address begins with one slash.
    for (const [, address] of text.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^\/[^/]/);
  });

  it('is asked for again at each visit, and not sent again when it is the same', async () => {
    const { headers } = await api.request.get('/').set('accept-encoding', 'br');
    expect(headers['cache-control']).toBe('no-cache');
    const again = await api.request.get('/').set({ 'if-none-match': headers.etag, 'accept-encoding': 'br' });
    expect(again.status).toBe(304);
    const head = await api.request.head('/').set('accept-encoding', 'br');
    expect({ status: head.status, etag: head.headers.etag }).toEqual({ status: 200, etag: headers.etag });
  });

  it('has assets that are kept for good and come compressed', async () => {
    const { text } = await api.request.get('/');
    const script = text.match(/src="(\/assets\/[^"]+\.js)"/)?.[1] as string;
    const plain = await api.request.get(script).set('accept-encoding', 'identity');
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(plain.headers['content-type']).toMatch(/javascript/);
    for (const [asked, encoding] of [
      ['br, gzip', 'br'],
      ['gzip', 'gzip'],
    ] as const) {
      const { headers } = await api.request.head(script).set('accept-encoding', asked);
      expect(headers['content-encoding']).toBe(encoding);
      expect(headers.vary).toMatch(/accept-encoding/i);
      expect(Number(headers['content-length'])).toBeLessThan(plain.text.length / 2);
    }
  });

  it('takes no address from the API', async () => {
    expectError(await api.request.get('/v1/no-such-thing'), 401, 'invalid_api_key');
    expectError(await api.request.get('/no-such-page'), 401, 'invalid_api_key');
    expectError(await api.request.get('/assets/no-such-file.js'), 404, 'not_found');
    expectError(await api.request.get('/assets/..%2findex.html'), 404, 'not_found');
  });
});
