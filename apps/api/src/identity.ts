import type { KeyLimits, KeyScope } from '@unfold/contracts';

/** Who sent a request. */
export interface Identity {
  /** A key's id, or `admin` for the configured key, or `local` where no key exists. */
  id: string;
  project: string;
  scopes: readonly KeyScope[];
  /** What it may use, the configuration's limits filled in. Null: no limit. */
  limits: Omit<KeyLimits, 'requests_per_minute'> & { requests_per_minute: number };
}
