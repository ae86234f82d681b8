import { existsSync } from 'node:fs';

const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The Chromium of this machine, or undefined: `UNFOLD_TEST_CHROMIUM`, else where packages put it. */
export const chromiumPath = process.env.UNFOLD_TEST_CHROMIUM ?? usual.find((path) => existsSync(path));

/** So that it asks nobody for anything but what a page asks for. */
export const chromiumArguments = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
