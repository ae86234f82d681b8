# The image of one api process. Build it from the root of the clone: docker build -f docker/api.Dockerfile .
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
  && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && rm -r packages/kernels/build packages/kernels/native \
  && find packages apps -type d -name src -not -path '*/node_modules/*' -prune -exec rm -r {} +

FROM node:20.20.2-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 UNFOLD_DATA_DIR=/data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma/migrations prisma/migrations
COPY --from=build /app/packages packages
COPY --from=build /app/apps/api apps/api
COPY --from=build /app/apps/dashboard/dist/page apps/dashboard/dist/page
# A named volume that is mounted here takes over the owner.
RUN install -d -o node -g node /data
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: node itself gets SIGTERM.
CMD ["node", "apps/api/dist/main.js"]
