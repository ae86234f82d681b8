import { queueKinds } from '../worker/lab.ts';
import { describeKilledWorker } from './killed-worker.ts';

describeKilledWorker(queueKinds[0]);
