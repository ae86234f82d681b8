import type {
  DeletedResource,
  Page,
  PageQuery,
  WebhookDeliveryResource,
  WebhookEndpointChange,
  WebhookEndpointRequest,
  WebhookEndpointResource,
} from '@unfold/contracts';
import type { Created, Idempotency } from '../repositories.ts';

/** An attempt that this process is to make. */
export interface ClaimedDelivery {
  id: string;
  /** Shown when it is settled: a claim that has been taken over changes nothing any more. */
  fence: number;
  /** This one included. */
  attempts: number;
  endpoint_id: string;
  url: string;
  event_id: string;
  /** What is sent and signed, byte for byte. */
  body: string;
  /** The newest first; empty if they cannot be opened with the configured key. */
  secrets: string[];
}

export interface ClaimOptions {
  limit: number;
  /** At most so many of one endpoint, with those that are under way. */
  per_endpoint: number;
  /** Attempts of the claiming process that are under way, by endpoint. */
  running: ReadonlyMap<string, number>;
  /** An attempt that is not settled within this time counts as lost, and is made again. */
  lease_ms: number;
}

/** How an attempt ended. `gone` also disables the endpoint. */
export type DeliveryOutcome =
  | { type: 'delivered'; response_status: number }
  | { type: 'retry'; after_ms: number; response_status: number | null; error: string }
  | { type: 'failed' | 'gone'; response_status: number | null; error: string };

/** Every method that takes `project` sees that project only; a foreign id is `not_found`. */
export interface WebhookRepository {
  /**
   * The resource holds the `secret`; a replayed answer lacks it.
   * @param limit of endpoints in a project: `limit_exceeded`
   */
  create(
    project: string,
    endpoint: WebhookEndpointRequest,
    limit: number,
    idempotency?: Idempotency,
  ): Promise<Created<WebhookEndpointResource>>;
  /** Newest first unless asked otherwise, as every list. */
  list(project: string, page: PageQuery): Promise<Page<WebhookEndpointResource>>;
  get(project: string, id: string): Promise<WebhookEndpointResource>;
  change(project: string, id: string, change: WebhookEndpointChange): Promise<WebhookEndpointResource>;
  /** Takes its deliveries along. */
  remove(project: string, id: string): Promise<DeletedResource>;
  /** A new `secret`; the one before signs along for 24 hours. */
  rotateSecret(project: string, id: string): Promise<WebhookEndpointResource>;

  deliveries(project: string, id: string, page: PageQuery): Promise<Page<WebhookDeliveryResource>>;
  /** Makes a delivery due at once, with all of its attempts before it. `wrong_state` if the endpoint is disabled. */
  redeliver(project: string, id: string, delivery: string): Promise<WebhookDeliveryResource>;
  /** Writes an event `webhook.test` for this endpoint. `wrong_state` if it is disabled. */
  test(project: string, id: string): Promise<WebhookDeliveryResource>;

  /** Takes deliveries that are due, of enabled endpoints, longest due first. No two processes get the same one. */
  claim(options: ClaimOptions): Promise<ClaimedDelivery[]>;
  /** Writes down how an attempt ended; nothing if it was taken over. */
  settle(claimed: Pick<ClaimedDelivery, 'id' | 'fence'>, outcome: DeliveryOutcome): Promise<void>;
  /** Deliveries that wait, of enabled endpoints of all projects. */
  pending(): Promise<number>;
  /** Forgets deliveries that are older than so many days, and of each endpoint all settled but the newest. */
  prune(days: number, kept_per_endpoint: number): Promise<number>;
}
