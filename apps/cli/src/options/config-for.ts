import { type Config, readConfig } from '@unfold/config';

export interface PlaceOptions {
  port?: number;
  host?: string;
  dataDir?: string;
}

/** The configuration with what was said on the command line in place of the environment. */
export const configFor = ({ port, host, dataDir }: PlaceOptions): Config =>
  readConfig({
    ...process.env,
    ...(port === undefined ? {} : { PORT: String(port) }),
    ...(host === undefined ? {} : { HOST: host }),
    ...(dataDir === undefined ? {} : { UNFOLD_DATA_DIR: dataDir }),
  });
