-- Files that delete themselves.

-- AlterTable
ALTER TABLE "files" ADD COLUMN     "expires_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE INDEX "files_expires_at_idx" ON "files"("expires_at");
