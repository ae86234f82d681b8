import { describeQueue } from './guarantees.ts';
import { startPostgresStore } from './stores.ts';

describeQueue({ name: 'PostgreSQL', missing: null, start: startPostgresStore });
