#!/bin/sh
# Installs the .deb on a clean Debian 12 and a clean Debian 13, each booted with systemd as its init
# in namespaces of its own, connects that Debian's Dovecot as README.Debian says, and takes a chat
# mail to a push (scripts/test-deb/inside.sh). Run by "npm run test:deb".
#
#   sh scripts/test-deb.sh [--deb FILE] [bookworm] [trixie]
#
# Without --deb the package is built first (two minutes). Then about one minute a Debian; the first
# time two more, to make its root in ${XDG_CACHE_HOME:-$HOME/.cache}/coi-sidecar/. Where lintian is
# installed it checks the package (one minute; not with COI_SKIP_LINTIAN=1). Nothing is changed on
# this machine but the cache.
#
# Needs root, debootstrap, unshare and nsenter (util-linux), ip (iproute2). Exit code 3 and a reason
# where it cannot run.
set -eu
cd "$(dirname "$0")/.."

say() { echo "test-deb: $*" >&2; }
cannot() {
  say "cannot run: $*"
  exit 3
}

deb=
suites=
while [ $# -gt 0 ]; do
  case $1 in
    --deb) deb=$(realpath "$2"); shift ;;
    bookworm | trixie) suites="$suites $1" ;;
    *) say "unknown argument $1"; exit 2 ;;
  esac
  shift
done
suites=${suites:- bookworm trixie}

[ "$(id -u)" = 0 ] || cannot "needs root"
for tool in debootstrap unshare nsenter ip; do
  command -v "$tool" >/dev/null || cannot "needs $tool"
done
unshare --mount --pid --fork --uts --ipc --net --cgroup true 2>/dev/null ||
  cannot "this machine permits no namespaces"

work=$(mktemp -d)
booted=
finish() {
  [ -z "$booted" ] || kill -KILL "$booted" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

[ -n "$deb" ] || deb=$(sh scripts/build-deb.sh "$work")
if [ -n "${COI_SKIP_LINTIAN-}" ]; then :; elif command -v lintian >/dev/null; then
  say "lintian"
  lintian --fail-on error "$deb" >&2
else
  say "no lintian here (apt-get install lintian): not checked"
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/coi-sidecar
# Two at once would share the control groups of their systemds, and end each other's services.
mkdir -p "$cache"
exec 8>"$cache/test-deb.lock"
flock --nonblock 8 || { say "waiting for another run to end"; flock 8; }

# The first of each group of alternatives in Depends, without versions.
dependencies=$(dpkg-deb --field "$deb" Depends | tr ',' '\n' | sed 's/[(|].*//' | sort -u | xargs)

# Runs in the namespaces: puts the pieces of a machine together, then runs a program in them.
cat >"$work/enter.sh" <<'ENTER'
set -eu
lower=$1 dir=$2
shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
mount -t proc proc proc
mount -o bind,ro proc/sys proc/sys # the kernel's settings belong to the machine outside
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
if [ "$1" = /lib/systemd/systemd ]; then
  mount -t tmpfs tmpfs sys/fs/cgroup # cgroup v2 whatever the machine outside has
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  ip link set lo up
fi
# Nothing in there sets the clock, loads modules or touches devices.
exec env -i container=coi-test DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override \
  chroot . "$@"
ENTER

for suite in $suites; do
  # The clean root that everything is laid over: with Dovecot, which has nothing to do with the test.
  case $suite in bookworm) dovecot=2.3 ;; *) dovecot=2.4 ;; esac
  lower=$(sh scripts/make-dovecot-root.sh "$dovecot") || cannot "no root of $suite"
  dir=$work/$suite
  mkdir -p "$dir/upper/etc/apt" "$dir/upper/usr/local" "$dir/work" "$dir/root"
  say "$suite: installing what the package depends on: $dependencies"
  cp /etc/resolv.conf "$dir/upper/etc/resolv.conf"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$dir/upper/etc/hosts"
  cp "$deb" "$dir/upper/usr/local/coi-sidecar.deb"
  cp scripts/test-deb/inside.sh scripts/test-deb/trip.js packaging/deb/README.Debian \
    "$dir/upper/usr/local/"
  # shellcheck disable=SC2086 # a list of words
  unshare --mount --pid --fork --uts --ipc sh "$work/enter.sh" "$lower" "$dir" \
    sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' - \
    $dependencies >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; cannot "apt-get failed"; }

  say "$suite: booting"
  unshare --mount --pid --fork --uts --ipc --net --cgroup \
    sh "$work/enter.sh" "$lower" "$dir" /lib/systemd/systemd --show-status=no \
    --unit=multi-user.target >"$work/boot.log" 2>&1 8>&- &
  outside=$!
  tries=0
  until booted=$(cat "/proc/$outside/task/$outside/children" 2>/dev/null) && booted=${booted% } &&
    [ -n "$booted" ] && [ "$(cat "/proc/$booted/comm" 2>/dev/null)" = systemd ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$work/boot.log" >&2; cannot "systemd does not boot here"; }
    sleep 0.1
  done
  env -i PATH="$PATH" nsenter --target "$booted" --all --root --wd sh /usr/local/inside.sh "$suite" >&2 || {
    say "$suite: failed"
    exit 1
  }
  kill -KILL "$booted"
  wait "$outside" 2>/dev/null || true
  booted=
  say "$suite: good"
done
