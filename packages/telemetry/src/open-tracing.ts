import { noTracing, type Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Where spans are sent by OTLP over HTTP; null: nowhere. */
  exporter: { endpoint: string; headers: Record<string, string> } | null;
  /** How the process calls itself. */
  service: string;
}

/** Opens tracing if there is an exporter; loads nothing otherwise. */
export const openTracing = async ({ exporter, service }: TracingOptions): Promise<Tracing> => {
  if (exporter === null) return noTracing;
  const { openTelemetry } = await import('./open-telemetry.ts');
  return openTelemetry(exporter, service);
};
