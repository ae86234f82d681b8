import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { registerActivationsRoute } from './activations.ts';
import { registerCompletionRoute } from './completions.ts';
import { registerFileContentRoutes } from './file-content.ts';
import { registerFileRoutes } from './files.ts';
import { registerFineTuningRoutes } from './fine-tuning.ts';
import { registerFineTuningRecordRoutes } from './fine-tuning-records.ts';
import { registerJobActionRoutes } from './job-actions.ts';
import { registerJobEstimateRoutes } from './job-estimates.ts';
import { registerJobEventRoutes } from './job-events.ts';
import { registerJobRecordRoutes } from './job-records.ts';
import { registerJobSocket } from './job-socket.ts';
import { registerJobRoutes } from './jobs.ts';
import { registerKeyRoutes } from './keys.ts';
import { registerModelWeightsRoute } from './model-weights.ts';
import { registerModelRoutes } from './models.ts';
import { registerPredictRoute } from './predict.ts';
import { registerScoreRoute } from './score.ts';
import { registerServiceRoutes } from './service.ts';
import { registerSessionStateRoute } from './session-state.ts';
import { registerSessionRoutes } from './sessions.ts';
import { registerSnapshotRoutes } from './snapshots.ts';
import { registerStreamSocket } from './stream-socket.ts';
import { registerSystemRoute } from './system.ts';
import { registerWebhookDeliveryRoutes } from './webhook-deliveries.ts';
import { registerWebhookEndpointRoutes } from './webhook-endpoints.ts';
import { registerWorkerRoutes } from './workers.ts';

const all = [
  registerFileRoutes,
  registerFileContentRoutes,
  registerJobRoutes,
  registerJobEstimateRoutes,
  registerJobActionRoutes,
  registerJobEventRoutes,
  registerJobRecordRoutes,
  registerJobSocket,
  registerStreamSocket,
  registerFineTuningRoutes,
  registerFineTuningRecordRoutes,
  registerModelRoutes,
  registerModelWeightsRoute,
  registerCompletionRoute,
  registerScoreRoute,
  registerActivationsRoute,
  registerPredictRoute,
  registerWebhookEndpointRoutes,
  registerWebhookDeliveryRoutes,
  registerSessionRoutes,
  registerSnapshotRoutes,
  registerSessionStateRoute,
  registerWorkerRoutes,
  registerKeyRoutes,
  registerSystemRoute,
  registerServiceRoutes,
];

/** Every route of the API. */
export const registerRoutes = (app: FastifyInstance, context: ApiContext): void => {
  for (const register of all) register(app, context);
};
