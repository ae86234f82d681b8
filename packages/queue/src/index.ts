export type { Announcement } from './announcer.ts';
export type { Consumer, Delivery, DeliveryContext, Handler } from './consumer.ts';
export type { Log, LogLevel } from './log.ts';
export { type ControlMessage, openQueue, type Queue, type QueueCounts } from './queue.ts';
export { checkRedis } from './redis-check.ts';
export type { Subscription } from './relay-channel.ts';
export type { Ticket } from './ticket.ts';
