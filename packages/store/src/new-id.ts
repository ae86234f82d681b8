import type { IdPrefix } from '@unfold/contracts';
import { uuidv7 } from 'uuidv7';

/** A public id: the prefix and a lower-case UUIDv7 without dashes, so that ids sort by time. */
export const newId = (prefix: IdPrefix): string => `${prefix}-${uuidv7().replaceAll('-', '')}`;
