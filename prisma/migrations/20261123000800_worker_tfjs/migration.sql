-- On which class of device TensorFlow.js computes in a worker.

-- AlterTable
ALTER TABLE "workers" ADD COLUMN     "tfjs" TEXT NOT NULL DEFAULT 'cpu';
