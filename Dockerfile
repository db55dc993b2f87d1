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
# Whoever owns the mail in the Dovecot container. Their group connects to the sockets and passes the
# directory of the event log; the mail itself is not mounted here.
ARG MAIL_UID=5000
ARG MAIL_GID=5000
# The service. Never the owner of the mail: a mail process could then put a FIFO in the place of a
# socket or of a file of the event log. In docker/dovecot/Dockerfile it is the same.
ARG SERVICE_UID=9380
ENV NODE_ENV=production \
    COI_SIDECAR_HTTP_LISTEN=0.0.0.0:9380
# An init: the kernel lets nothing in a container end its first process, so the watchdog could not.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini acl \
    && rm -rf /var/lib/apt/lists/*
RUN { [ "$SERVICE_UID" -gt 0 ] && [ "$SERVICE_UID" -ne "$MAIL_UID" ]; } \
      || { echo "SERVICE_UID=$SERVICE_UID: give a number that is neither 0 nor MAIL_UID" >&2; exit 1; }
RUN groupadd --non-unique --gid "$MAIL_GID" coi-mail \
    && useradd --uid "$SERVICE_UID" --gid coi-mail --home-dir /var/lib/coi-sidecar --no-create-home coi-sidecar \
    # For Dovecot's "mail_uid = vmail", which is all that it says of who will need an event log.
    && useradd --non-unique --uid "$MAIL_UID" --gid coi-mail --home-dir / --no-create-home vmail \
    # What volumes are mounted over: a new one takes owner and mode from here.
    && install -d -o coi-sidecar -g coi-mail -m 750 /run/coi-sidecar /run/coi-sidecar/sieve \
    && install -d -o coi-sidecar -g coi-mail -m 710 /var/spool/coi-events \
    && install -d -o coi-sidecar -g coi-mail -m 700 /var/lib/coi-sidecar
WORKDIR /app
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY --from=build /src/sbom.cdx.json /usr/share/doc/coi-sidecar/
COPY package.json LICENSE config.example.yaml ./
COPY lua lua
COPY web web
COPY docs/doctor.md docs/troubleshooting.md docs/
COPY dovecot-conf dovecot-conf
USER $SERVICE_UID:$MAIL_GID
VOLUME ["/var/lib/coi-sidecar"]
EXPOSE 9380
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9380/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "/app/dist/main.js"]
CMD ["serve"]
