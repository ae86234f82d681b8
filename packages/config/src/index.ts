export { clientVariables, describeEnvironment, type VariableDescription } from './environment.ts';
export { faultSignals } from './fault-signals.ts';
export { isLoopback } from './is-loopback.ts';
export { nearest } from './nearest.ts';
export {
  type Config,
  ConfigError,
  type ConfigProblem,
  type Limits,
  readConfig,
  type WebhookConfig,
} from './read-config.ts';
export { createRedactor } from './redactor.ts';
