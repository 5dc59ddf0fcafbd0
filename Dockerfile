# The program is one bundled file; the image is that file on a small base with the current Node LTS.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:24-bookworm-slim
# Nothing in the image needs a package manager, and without one nothing can be added to it.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
WORKDIR /app
COPY --from=build /src/dist/kurator-rollout.mjs /src/LICENSE /app/
USER 10001:10001
ENTRYPOINT ["node", "/app/kurator-rollout.mjs"]
CMD ["controller"]
