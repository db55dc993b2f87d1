#!/bin/sh
# Writes what the environment says into Dovecot's configuration, then starts it.
set -eu
: "${COI_SIDECAR_HTTP_TOKEN:?is not set}"
: "${COI_SIDECAR_DOVEADM_API_KEY:?is not set}"
: "${DEMO_PASSWORD:?is not set}"

umask 077
cat >/run/dovecot-secrets.conf <<END
doveadm_api_key = $COI_SIDECAR_DOVEADM_API_KEY
push_notification coi {
  lua_settings {
    coi_sidecar_token = $COI_SIDECAR_HTTP_TOKEN
  }
}
passdb static {
  password = $DEMO_PASSWORD
}
END
exec dovecot -F
