# coi-sidecar: built in one stage, run in another without sources, tools or root.
FROM node:26-trixie-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:26-trixie-slim
# The same numbers as Dovecot's mail user: it makes the spool files, and connects to the sockets.
RUN groupadd --gid 5000 coi-sidecar \
  && useradd --uid 5000 --gid coi-sidecar --home-dir /var/lib/coi-sidecar coi-sidecar \
  && install -d -o coi-sidecar -g coi-sidecar -m 750 \
    /run/coi-sidecar /run/coi-sidecar/sieve /var/lib/coi-sidecar /var/spool/coi-sidecar
WORKDIR /app
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
USER coi-sidecar
ENV NODE_ENV=production COI_SIDECAR_HTTP_LISTEN=0.0.0.0:9380
EXPOSE 9380
HEALTHCHECK --interval=15s --timeout=5s CMD ["node", "-e", "fetch('http://127.0.0.1:9380/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
