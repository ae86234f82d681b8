-- CreateTable
CREATE TABLE "files" (
    "id" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "filename" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "characters" BIGINT,
    "lines" BIGINT NOT NULL,
    "invalid_utf8_offset" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "files_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "jobs" (
    "id" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "name" TEXT,
    "status" TEXT NOT NULL,
    "spec" JSON NOT NULL,
    "metadata" JSONB NOT NULL,
    "priority" INTEGER NOT NULL,
    "file" TEXT NOT NULL,
    "validation_file" TEXT,
    "model_id" TEXT,
    "error" JSON,
    "engine" TEXT,
    "device" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "queued_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "jobs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "job_heads" (
    "job_id" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "owned" BOOLEAN NOT NULL DEFAULT false,
    "worker" TEXT,
    "next_seq" INTEGER NOT NULL DEFAULT 1,
    "heartbeat_at" TIMESTAMPTZ(3),
    "requested" TEXT,
    "attempts_without_checkpoint" INTEGER NOT NULL DEFAULT 0,
    "enqueue_count" INTEGER NOT NULL DEFAULT 1,
    "progress" JSON NOT NULL,

    CONSTRAINT "job_heads_pkey" PRIMARY KEY ("job_id")
);

-- A running job rewrites its head row several times a second: room in the page keeps those updates out of the index.
ALTER TABLE "job_heads" SET (fillfactor = 50);

-- CreateTable
CREATE TABLE "events" (
    "job_id" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "step" INTEGER,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "body" JSON NOT NULL,

    CONSTRAINT "events_pkey" PRIMARY KEY ("job_id","seq")
);

-- CreateTable
CREATE TABLE "checkpoints" (
    "id" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "validation_loss" DOUBLE PRECISION,
    "best" BOOLEAN NOT NULL,
    "last" BOOLEAN NOT NULL,
    "path" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "parameters" BIGINT,
    "vocabulary_size" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "checkpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "models" (
    "id" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "name" TEXT,
    "job_id" TEXT,
    "spec" JSON,
    "parameters" BIGINT NOT NULL,
    "vocabulary_size" INTEGER NOT NULL,
    "step" INTEGER,
    "validation_loss" DOUBLE PRECISION,
    "path" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "models_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "scopes" TEXT[],
    "hash" TEXT NOT NULL,
    "from_configuration" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "project" TEXT NOT NULL,
    "route" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_hash" TEXT NOT NULL,
    "answer" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("project","route","key")
);

-- CreateIndex
CREATE INDEX "files_project_id_idx" ON "files"("project", "id" DESC);

-- CreateIndex
CREATE INDEX "jobs_project_id_idx" ON "jobs"("project", "id" DESC);

-- CreateIndex
CREATE INDEX "jobs_project_status_id_idx" ON "jobs"("project", "status", "id" DESC);

-- CreateIndex
CREATE INDEX "jobs_status_priority_queued_at_id_idx" ON "jobs"("status", "priority" DESC, "queued_at", "id");

-- CreateIndex
CREATE INDEX "jobs_file_idx" ON "jobs"("file");

-- CreateIndex
CREATE INDEX "jobs_validation_file_idx" ON "jobs"("validation_file");

-- CreateIndex
CREATE INDEX "jobs_metadata_idx" ON "jobs" USING GIN ("metadata" jsonb_path_ops);

-- CreateIndex
CREATE INDEX "events_job_id_type_seq_idx" ON "events"("job_id", "type", "seq");

-- CreateIndex
CREATE INDEX "checkpoints_job_id_seq_idx" ON "checkpoints"("job_id", "seq" DESC);

-- CreateIndex
CREATE INDEX "models_project_id_idx" ON "models"("project", "id" DESC);

-- CreateIndex
CREATE INDEX "models_project_name_id_idx" ON "models"("project", "name", "id" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys"("hash");

-- CreateIndex
CREATE INDEX "api_keys_project_id_idx" ON "api_keys"("project", "id" DESC);

-- CreateIndex
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- AddForeignKey
ALTER TABLE "job_heads" ADD CONSTRAINT "job_heads_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;
