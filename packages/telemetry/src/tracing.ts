/** Something that took its time. */
export interface Span {
  /** By which another process makes spans below this one; null if nothing is traced. */
  readonly traceparent: string | null;
  set(attributes: Record<string, string | number | boolean>): void;
  fail(error: unknown): void;
  /** Once. */
  end(): void;
}

export interface SpanOptions {
  /** A `traceparent` (W3C Trace Context) from elsewhere; one that is malformed counts as none. Default: the span that runs. */
  parent?: string | null | undefined;
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  attributes?: Record<string, string | number | boolean>;
}

export interface Tracing {
  start(name: string, options?: SpanOptions): Span;
  /** Runs `work`, and whatever it awaits, below a span. */
  run<T>(span: Span, work: () => T): T;
  /** A span around `work`; it fails if that throws. */
  traced<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** Sends what is left. Never rejects. */
  close(): Promise<void>;
}

const noSpan: Span = { traceparent: null, set: () => {}, fail: () => {}, end: () => {} };

/** What traces nothing and costs nothing. */
export const noTracing: Tracing = {
  start: () => noSpan,
  run: (_, work) => work(),
  traced: (_, __, work) => work(noSpan),
  close: () => Promise.resolve(),
};
