export { openTracing } from './open-tracing.ts';
export { noTracing, type Span, type SpanOptions, type Tracing } from './tracing.ts';
