#!/bin/sh
# Makes this checkout runnable: npm packages, then the Debian packages that the demo and the tests
# run for real. Says nothing and takes no time when there is nothing to do.
#
#   sh scripts/setup.sh [further Debian packages]
#
# npm runs it before "demo" and "test", with whatever Node the machine has (20 is enough here; the
# npm package "node" brings the one that everything else runs on).
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# npm's own copy of the lock file is written last, so it tells of a complete install.
if [ ! -f node_modules/.package-lock.json ] ||
  [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages (npm ci)"
  # Not with the node in node_modules/.bin, which npm run puts into PATH and npm ci deletes.
  PATH=$(echo "$PATH" | tr : '\n' | grep -v '/node_modules/' | paste -sd : -)
  export PATH
  npm ci --no-fund --no-audit --loglevel=error >&2
  touch node_modules/.package-lock.json
fi

wanted="dovecot-core dovecot-imapd dovecot-lmtpd dovecot-sieve dovecot-auth-lua redis-server acl openssl curl $*"

if ! command -v dpkg-query >/dev/null; then
  missing=
  for program in dovecot sievec redis-server setfacl openssl curl; do
    command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || missing="$missing $program"
  done
  [ -z "$missing" ] && exit 0
  say "this is no Debian, so install these yourself:$missing"
  say "Dovecot needs IMAP, LMTP, Pigeonhole (Sieve) and Lua."
  exit 1
fi

installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=
for package in $wanted; do
  case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ]; then
  say "these Debian packages are missing:$missing"
  say "install them as root, then try again:"
  say "  apt-get install --no-install-recommends$missing"
  exit 1
fi

# Nothing of this shall run as a service: neither now (policy-rc.d) nor at the next start.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

say "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # a list of words
install() { apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1 </dev/null; }
if ! install && ! { apt-get update -qq >"$log" 2>&1 && install; }; then
  cat "$log" >&2
  rm -f "$log"
  say "apt-get could not install:$missing"
  exit 1
fi
rm -f "$log"

for package in $missing; do
  case $package in
    dovecot-core) service=dovecot ;;
    redis-server | prometheus) service=$package ;;
    *) continue ;;
  esac
  if command -v systemctl >/dev/null && systemctl --quiet disable "$service" 2>/dev/null; then
    say "$service is installed, but not enabled as a service"
  fi
done
