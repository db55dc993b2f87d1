#!/bin/sh
# Makes a Debian root with the Dovecot that this machine has not installed, for the tests of that
# version (startPrivateDovecot({ version })). It is kept outside the repository and made once:
#
#   ${XDG_CACHE_HOME:-$HOME/.cache}/coi-sidecar/bookworm    Debian 12, Dovecot 2.3
#   ${XDG_CACHE_HOME:-$HOME/.cache}/coi-sidecar/trixie      Debian 13, Dovecot 2.4
#
#   sh scripts/make-dovecot-root.sh [2.3|2.4]
#
# Without a version it is the one that is not installed: 2.3 beside 2.4, else 2.4. Prints the root's
# path. Takes one to two minutes the first time, nothing after that. Needs root and debootstrap; exit
# code 3 and a reason where it cannot be made.
set -eu

say() { echo "make-dovecot-root: $*" >&2; }
cannot() {
  say "$*"
  exit 3
}

version=${1-}
[ -n "$version" ] || case $(dovecot --version 2>/dev/null || true) in
  2.4.*) version=2.3 ;;
  *) version=2.4 ;;
esac
case $version in
  2.3) suite=bookworm ;;
  2.4) suite=trixie ;;
  *) say "there is no recipe for Dovecot $version, only for 2.3 and 2.4"; exit 2 ;;
esac

root=${XDG_CACHE_HOME:-$HOME/.cache}/coi-sidecar/$suite
# Written last, and with the version of this recipe, so that an older root is made anew.
stamp="$root/.coi-sidecar-root"
recipe=1
packages=dovecot-core,dovecot-imapd,dovecot-lmtpd,dovecot-sieve,dovecot-auth-lua,curl

if [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ]; then
  echo "$root"
  exit 0
fi
[ "$(id -u)" = 0 ] || cannot "needs root (debootstrap, chroot)"
command -v debootstrap >/dev/null || cannot "needs debootstrap (apt-get install debootstrap)"

# The mirror that this machine's apt uses; debootstrap's own default if that cannot be told.
mirror=$(
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
    2>/dev/null |
    sed -n -e 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' \
      -e 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' |
    grep '/debian/*$' | head -n 1
)

mkdir -p "${root%/*}"
exec 9>"${root%/*}/lock"
flock 9 # several test processes may come here at once
if [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ]; then
  echo "$root"
  exit 0
fi

say "making $root (one to two minutes)"
building="$root.building"
rm -rf "$building" "$root"
log=$(mktemp)
# shellcheck disable=SC2086 # no mirror, no argument
if ! debootstrap --variant=minbase --include="$packages" "$suite" "$building" $mirror >"$log" 2>&1 9>&-; then
  tail -n 20 "$log" >&2
  rm -rf "$building" "$log"
  cannot "debootstrap failed"
fi
rm -rf "$log" "$building"/var/cache/apt/archives/*.deb "$building"/var/lib/apt/lists/*
echo "$recipe" >"$building/.coi-sidecar-root"
mv "$building" "$root"
echo "$root"
