-- AlterTable
ALTER TABLE "files" ADD COLUMN     "key_id" TEXT;

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "key_id" TEXT;

-- AlterTable
ALTER TABLE "models" ADD COLUMN     "key_id" TEXT;

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "limits" JSON NOT NULL DEFAULT '{}';

-- CreateIndex
CREATE INDEX "files_key_id_idx" ON "files"("key_id");

-- CreateIndex
CREATE INDEX "jobs_key_id_status_idx" ON "jobs"("key_id", "status");

-- CreateIndex
CREATE INDEX "models_key_id_idx" ON "models"("key_id");
