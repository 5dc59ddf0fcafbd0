# The program is one bundled file; the image is that file on a small base with the current Node LTS.
# A tag can be moved, a digest cannot. Which digest a tag has is known where it can be pulled, and none is written here that nobody looked up:
#   docker buildx imagetools inspect node:24.21.0-bookworm-slim --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE=node:24.21.0-bookworm-slim@sha256:... .
ARG BASE=node:24.21.0-bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && node scripts/sbom.mjs dist/sbom.cdx.json

FROM ${BASE}
# Nothing in the image needs a package manager, and without one nothing can be added to it.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
WORKDIR /app
COPY --from=build /src/dist/kurator-rollout.mjs /src/dist/sbom.cdx.json /src/LICENSE /app/
USER 10001:10001
ENTRYPOINT ["node", "/app/kurator-rollout.mjs"]
CMD ["controller"]
