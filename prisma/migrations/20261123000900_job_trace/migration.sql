-- The span that a job was enqueued in, so that a ticket which is made again belongs to it, too.

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "traceparent" TEXT;
