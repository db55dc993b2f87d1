# coi-sidecar alone. docker-compose.yml runs it beside Dovecot; docs/install-docker.md says how.
FROM node:26-trixie-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Without scripts: the npm package "node" would fetch a second Node.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY scripts/write-sbom.ts scripts/
RUN npm run build -- --sourceMap false && node scripts/write-sbom.ts > sbom.cdx.json && npm prune --omit=dev --ignore-scripts

FROM node:26-trixie-slim
# Whoever owns the mail in the Dovecot container. The same here, so that sockets and event log,
# which the two share, need no further arrangement; the mail itself is not mounted here.
ARG MAIL_UID=5000
ARG MAIL_GID=5000
ENV NODE_ENV=production \
    COI_SIDECAR_HTTP_LISTEN=0.0.0.0:9380
# An init: the kernel lets nothing in a container end its first process, so the watchdog could not.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini acl \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --non-unique --gid "$MAIL_GID" coi-sidecar \
    && useradd --non-unique --uid "$MAIL_UID" --gid coi-sidecar --home-dir /var/lib/coi-sidecar --no-create-home coi-sidecar \
    # What volumes are mounted over: a new one takes owner and mode from here.
    && install -d -o coi-sidecar -g coi-sidecar -m 750 /run/coi-sidecar /run/coi-sidecar/sieve \
    && install -d -o coi-sidecar -g coi-sidecar -m 710 /var/spool/coi-events \
    && install -d -o coi-sidecar -g coi-sidecar -m 700 /var/lib/coi-sidecar
WORKDIR /app
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY --from=build /src/sbom.cdx.json /usr/share/doc/coi-sidecar/
COPY package.json LICENSE config.example.yaml ./
COPY lua lua
COPY web web
COPY docs/doctor.md docs/troubleshooting.md docs/
COPY dovecot-conf dovecot-conf
USER $MAIL_UID:$MAIL_GID
VOLUME ["/var/lib/coi-sidecar"]
EXPOSE 9380
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9380/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "/app/dist/main.js"]
CMD ["serve"]
