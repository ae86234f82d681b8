import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { precompress } from './scripts/precompress.mjs';

/** Where the development server finds the API: `npm start` in another terminal. */
const api = process.env.UNFOLD_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), precompress()],
  build: {
    outDir: 'dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy forbids what is inlined, and small files are cached as well as large ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(
      ['/v1', '/health', '/ready', '/docs', '/openapi.json'].map((path) => [
        path,
        { target: api, changeOrigin: true, ws: true, headers: { origin: new URL(api).origin } },
      ]),
    ),
  },
});
