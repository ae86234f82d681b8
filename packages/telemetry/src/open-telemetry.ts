import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Span, SpanOptions, Tracing } from './tracing.ts';

const kinds = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

interface Traced extends Span {
  otel: OtelSpan;
}

const traceparentOf = (span: OtelSpan): string => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${Number(traceFlags & TraceFlags.SAMPLED).toString(16)}`;
};

const wrap = (otel: OtelSpan): Traced => ({
  otel,
  traceparent: traceparentOf(otel),
  set: (attributes) => void otel.setAttributes(attributes),
  fail(error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    otel.setAttribute('error.type', (error as { code?: string } | null)?.code ?? name);
    otel.setStatus({ code: SpanStatusCode.ERROR, message });
  },
  end: () => otel.end(),
});

const remote = (traceparent: string): Context => {
  const parsed = parseTraceParent(traceparent);
  return parsed === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parsed, isRemote: true });
};

/** Spans by OpenTelemetry's SDK, sent in batches by OTLP over HTTP as JSON. */
export const openTelemetry = (
  { endpoint, headers }: { endpoint: string; headers: Record<string, string> },
  service: string,
): Tracing => {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces`, headers });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': `${process.pid}` }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 1000 })],
  });
  const tracer = provider.getTracer('unfold');
  const running = new AsyncLocalStorage<Context>();

  const start = (name: string, { parent, kind = 'internal', attributes }: SpanOptions = {}): Traced => {
    const context = parent === undefined ? running.getStore() : parent === null ? undefined : remote(parent);
    const options = { kind: kinds[kind], ...(attributes && { attributes }) };
    return wrap(tracer.startSpan(name, options, context ?? ROOT_CONTEXT));
  };
  const run = <T>(span: Span, work: () => T): T =>
    running.run(trace.setSpan(ROOT_CONTEXT, (span as Traced).otel), work);

  return {
    start,
    run,
    async traced(name, options, work) {
      const span = start(name, options);
      try {
        return await run(span, () => work(span));
      } catch (error) {
        span.fail(error);
        throw error;
      } finally {
        span.end();
      }
    },
    close: () => provider.shutdown().catch(() => {}),
  };
};
