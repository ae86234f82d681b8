# The image of one worker process that owns a GPU. Build it from the root of the clone: docker build -f docker/worker-gpu.Dockerfile .
# It holds no driver of NVIDIA's: the container toolkit mounts the host's. Mesa's (AMD, Intel) come from Debian.
# Not the slim image: this one has the compiler for the native kernels, and Node's headers beside it.
FROM node:20.20.2-bookworm AS build
WORKDIR /app
# Manifests first: packages are installed again only when one of these changes.
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
COPY packages/config/package.json packages/config/
COPY packages/contracts/package.json packages/contracts/
COPY packages/kernels/package.json packages/kernels/
COPY packages/queue/package.json packages/queue/
COPY packages/rnn/package.json packages/rnn/
COPY packages/store/package.json packages/store/
COPY packages/telemetry/package.json packages/telemetry/
COPY apps/api/package.json apps/api/
COPY apps/cli/package.json apps/cli/
COPY apps/dashboard/package.json apps/dashboard/
COPY apps/worker/package.json apps/worker/
# No install script is needed here: the database is another container's, and the kernels are compiled below.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json tsconfig.json ./
COPY prisma prisma
COPY packages packages
COPY apps apps
RUN npm run pack-native -w @unfold/kernels \
  && npm run build \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -r packages/kernels/build packages/kernels/native \
  && find packages apps -type d -name src -not -path '*/node_modules/*' -prune -exec rm -r {} +

# A newer Debian than the one that compiles: its Mesa knows newer GPUs, and Dawn takes its processor driver, which the older one's is not.
FROM node:20.20.2-trixie-slim
# The Vulkan loader, Mesa's drivers, and what NVIDIA's driver links to.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers libegl1 libx11-6 libxext6 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# One heap of the C library for all threads: each of its own keeps memory that it does not use.
ENV NODE_ENV=production UNFOLD_DATA_DIR=/data MALLOC_ARENA_MAX=1 UNFOLD_DEVICE=gpu \
  NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma/migrations prisma/migrations
COPY --from=build /app/packages packages
COPY --from=build /app/apps/worker apps/worker
COPY docker/worker-health.mjs docker/
# A named volume that is mounted here takes over the owner.
RUN install -d -o node -g node /data
USER node
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "docker/worker-health.mjs"]
# Exec form: node itself gets SIGTERM.
CMD ["node", "apps/worker/dist/main.js"]
