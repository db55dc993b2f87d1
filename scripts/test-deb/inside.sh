#!/bin/sh
# Runs as root in a freshly booted Debian without network (scripts/test-deb.sh): installs the
# package, connects Dovecot, takes a chat mail to a push, upgrades and removes.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
config=/etc/coi-sidecar/coi-sidecar.yaml
cd /

step() { echo "  $*"; }
fail() {
  echo "FAILED: $*"
  systemctl --no-pager status coi-sidecar dovecot || true
  journalctl --no-pager -n 60 || true
  exit 1
}
# Tries for ten seconds.
eventually() {
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "$*"
    sleep 0.1
  done
}
is() { [ "$1" = "$2" ] || fail "$3 is $1, not $2"; }
owner_and_mode() { is "$(stat -c '%U:%G %a' "$1")" "$2" "$1"; }

eventually systemctl is-active dovecot.service

step "the package installs, and its service starts"
dpkg --install /usr/local/coi-sidecar.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg"; }
eventually systemctl is-active coi-sidecar.service
eventually curl --fail --silent http://127.0.0.1:9380/healthz
is "$(systemctl is-enabled coi-sidecar.service)" enabled "the service"
is "$(systemctl is-enabled coi-sidecar.socket)" enabled "its port"
is "$(systemctl is-active coi-sidecar.socket)" active "its port"
coi-sidecar check >/dev/null || fail "coi-sidecar check"

step "the configuration has secrets of its own, for nobody else"
owner_and_mode $config 'root:coi-sidecar 640'
is "$(grep -cE '^  (token|admin_token|api_key): "[0-9a-f]{64}"$' $config)" 3 "the number of secrets"
is "$(grep -oE '"[0-9a-f]{64}"' $config | sort -u | wc -l)" 3 "the number of different secrets"

step "sockets and event log are for the service and Dovecot's mail processes only"
owner_and_mode /run/coi-sidecar/dict.sock 'coi-sidecar:coi-mail 660'
owner_and_mode /run/coi-sidecar/sieve/coi-classify 'coi-sidecar:coi-mail 660'
owner_and_mode /run/coi-sidecar/http.sock 'coi-sidecar:coi-mail 660'
owner_and_mode /var/spool/coi-events 'coi-sidecar:coi-mail 710'
owner_and_mode /var/lib/coi-sidecar 'coi-sidecar:coi-sidecar 750'
is "$(id -nG coi-sidecar | tr ' ' '\n' | sort | xargs)" 'coi-mail coi-sidecar' "its groups"

step "systemd finds nothing wrong with the unit, and it is well sandboxed"
verdict=$(systemd-analyze verify coi-sidecar.service 2>&1 | grep coi-sidecar || true)
is "$verdict" '' "the verdict"
# 0 (safe) to 100; what is left: the network, chown for the sockets' group, systemd-notify, V8's memory.
systemd-analyze --no-pager security --threshold=20 coi-sidecar.service >/tmp/security 2>&1 || {
  cat /tmp/security
  fail "exposure above 2.0"
}
tail -n 1 /tmp/security
pid=$(systemctl show --property MainPID --value coi-sidecar.service)
grep -q '^Seccomp:[[:space:]]*2$' "/proc/$pid/status" || fail "there is no system call filter"
grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status" || fail "it has capabilities"

grep -q '^Max core file size *0 *0' "/proc/$pid/limits" || fail "it may leave core dumps"
is "$(systemctl show --property MemoryMax --value coi-sidecar.service)" 2147483648 "MemoryMax"

step "its port is never free: through a restart, a kill and a start that fails"
cat >/tmp/taker.sh <<'TAKER'
exec setpriv --reuid nobody --regid nogroup --clear-groups /usr/lib/coi-sidecar/bin/node -e '
const attempt = () => require("node:net").createServer().once("error", () => setTimeout(attempt, 1))
  .listen(9380, "127.0.0.1", () => { console.log("TAKEN"); process.exit(); });
attempt();' </dev/null
TAKER
sh /tmp/taker.sh >/tmp/taker 2>&1 &
taker=$!
systemctl restart coi-sidecar.service
systemctl kill --signal=KILL coi-sidecar.service
# Whoever asks in the very moment is refused; whoever asks after it waits, and is answered.
eventually curl --fail --silent --max-time 20 http://127.0.0.1:9380/healthz
mv $config $config.away
systemctl stop coi-sidecar.service
for _ in 1 2 3 4 5 6 7 8; do
  started=$(date +%s)
  ! curl --silent --max-time 5 http://127.0.0.1:9380/healthz >/dev/null || fail "answered without a configuration"
  [ $(($(date +%s) - started)) -lt 5 ] || fail "whoever asks a service that cannot start is left waiting"
done
is "$(systemctl is-active coi-sidecar.socket)" active "its port"
mv $config.away $config
eventually curl --fail --silent --max-time 20 http://127.0.0.1:9380/healthz
kill -0 $taker || fail "somebody else got the port: $(cat /tmp/taker)"
kill $taker

step "a stop of the socket stops both, and whoever asks is refused at once; a start brings both back"
systemctl stop coi-sidecar.socket
is "$(systemctl is-active coi-sidecar.service || true)" inactive "the service"
is "$(curl --silent http://127.0.0.1:9380/healthz >/dev/null || echo $?)" 7 "curl's exit code"
systemctl start coi-sidecar.service
is "$(systemctl is-active coi-sidecar.socket)" active "its port"
eventually curl --fail --silent http://127.0.0.1:9380/healthz

step "Dovecot is connected as README.Debian says"
useradd --create-home bob
echo 'bob:secret' | chpasswd
sed -n '/^Connect Dovecot/,/^Then/ s/^    //p' /usr/local/README.Debian >/tmp/connect.sh
sh -eu /tmp/connect.sh
owner_and_mode /etc/dovecot/coi/token.conf 'root:coi-mail 640'
owner_and_mode /etc/dovecot/coi/api-key.conf 'root:root 600'
# An ordinary Maildir, LMTP where the test reaches it, and the separator that coi-sidecar expects.
if [ "$(dovecot --version | cut -c 1-3)" = 2.3 ]; then
  echo 'mail_location = maildir:~/Maildir'
  address=address
else
  printf 'mail_driver = maildir\nmail_path = ~/Maildir\nmail_inbox_path =\n'
  address=listen
fi >/etc/dovecot/conf.d/99-test.conf
cat >>/etc/dovecot/conf.d/99-test.conf <<CONF
namespace inbox {
  separator = /
}
service lmtp {
  inet_listener lmtp {
    $address = 127.0.0.1
    port = 24
  }
}
CONF
# Some push services want a contact; without one doctor warns.
sed -i 's|^  vapid_subject: ""|  vapid_subject: "mailto:postmaster@example.org"|' $config
systemctl restart coi-sidecar.service dovecot.service
eventually curl --fail --silent http://127.0.0.1:9380/readyz
curl --silent http://127.0.0.1:9380/readyz
echo

step "coi-sidecar doctor finds nothing wrong, and a chat mail ends as a push"
COI_DOCTOR_PASSWORD=secret coi-sidecar doctor --user bob || fail "doctor, with a trip over IMAP"
coi-sidecar doctor --user bob --only trip || fail "doctor, with a trip by doveadm"
is "$(coi-sidecar doctor --json | grep -c '"verdict": "skipped"')" 2 \
  "what doctor leaves out without a user and a push service"

step "dovecot-lda delivers without root, and files chat with the group coi-mail"
useradd --create-home dave
useradd --create-home --gid coi-mail carol
entry=/private/vendor/vendor.dovecot/coi/config
for user in dave carol; do
  doveadm mailbox metadata set -u "$user" -s '' $entry/enabled yes
  doveadm mailbox metadata set -u "$user" -s '' $entry/message-filter active
  # As an MTA starts it: one user, one group, no others.
  printf 'From: alice@example.org\nChat-Version: 1.0\n\nHej!\n' |
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups \
      /usr/lib/dovecot/dovecot-lda -d "$user" || fail "dovecot-lda as $user: exit code $?"
done
is "$(doveadm search -u dave mailbox INBOX all | wc -l)" 1 "the number of messages in dave's INBOX"
is "$(doveadm search -u carol mailbox COI/Chats all | wc -l)" 1 "the number of carol's chats"

# The push service of the test is on this host, with a certificate of its own making.
/usr/lib/coi-sidecar/bin/node /usr/local/trip.js certificate
sed -i -e 's|^  ca_file: ""|  ca_file: "/etc/coi-sidecar/test-ca.pem"|' \
  -e 's|^  allow_private_endpoints: \[\]|  allow_private_endpoints: ["localhost"]|' $config
systemctl restart coi-sidecar.service
eventually curl --fail --silent http://127.0.0.1:9380/readyz

complaints() { journalctl --no-pager -o cat -u dovecot -g 'Error:|Panic:|Fatal:' | grep -v '^-- ' || true; }
is "$(complaints)" '' "what Dovecot complains of while the service is there"

step "a chat mail ends as a push; while the service is away, in the event log, and so when it is killed"
/usr/lib/coi-sidecar/bin/node /usr/local/trip.js trip || fail "the trip"
unread() { curl --silent http://127.0.0.1:9380/metrics | sed -n 's/^coi_event_log_unread_octets //p'; }
is "$(unread)" 0 "the number of octets left in the event log"
# It may say that it missed the classifier: in the spell without the service, and at each kill.
is "$(complaints | grep -v coi-classify || true)" '' "what else Dovecot complains of"

step "nobody but the service can put or move anything where it has its files"
[ -e "/var/spool/coi-events/$(id -u bob)/log" ] || fail "bob has no event log"
for who in 'nobody nogroup' 'bob bob' 'bob coi-mail'; do
  as="setpriv --reuid ${who% *} --regid ${who#* } --clear-groups"
  for dir in $(find /var/spool/coi-events /run/coi-sidecar /var/lib/coi-sidecar /etc/coi-sidecar -type d); do
    ! $as mkfifo "$dir/fifo" 2>/dev/null || fail "$who can put a FIFO into $dir"
    ! $as mv "$dir/log" "$dir/moved" 2>/dev/null || fail "$who can move a log away"
  done
done

step "coi-sidecar doctor finds what is broken afterwards, and says what to do"
chmod 600 /etc/dovecot/coi/coi.lua
echo 'coi_sidecar_token = change-me' >/etc/dovecot/coi/token.conf
chmod 600 /etc/dovecot/conf.d/95-coi-doveadm-socket.conf
coi-sidecar doctor >/tmp/doctor && fail "doctor overlooks it"
is "$?" 2 "doctor's exit code"
for sentence in 'cannot read /etc/dovecot/coi/coi.lua' 'still change-me' 'delivers nothing'; do
  grep -q "$sentence" /tmp/doctor || { cat /tmp/doctor; fail "doctor does not say: $sentence"; }
done
coi-sidecar doctor --user bob --only events-driver | grep -q 'cannot read /etc/dovecot/coi/coi.lua' ||
  fail "doctor does not try as bob"

step "nobody is sent a secret who has taken the port of a service that is stopped"
systemctl stop coi-sidecar.socket
sed -i 's|^  socket: /run/coi-sidecar/http.sock|  socket: ""|' $config # TCP, as before there was one
setpriv --reuid nobody --regid nogroup --clear-groups /usr/lib/coi-sidecar/bin/node -e '
require("node:http").createServer((q, r) => { console.log(q.headers); r.end("{}"); }).listen(9380, "127.0.0.1");
' >/tmp/heard 2>&1 &
taker=$!
sleep 1
coi-sidecar users >/tmp/users 2>&1 && fail "an impostor is taken for the service"
grep -q 'may not be shown a secret' /tmp/users || { cat /tmp/users; fail "it is not said why"; }
is "$(cat /tmp/heard)" '' "what the impostor heard"
kill $taker
sed -i '/^http:/,/^$/ s|^  socket: ""|  socket: /run/coi-sidecar/http.sock|' $config
systemctl start coi-sidecar.service
eventually coi-sidecar users

step "a stop is clean, and an upgrade keeps secrets, restarts, and takes over a port without its unit"
systemctl stop coi-sidecar.socket
is "$(systemctl show --property Result --value coi-sidecar.service)" success "the stop"
# As before there was a socket unit: the service has taken the port itself, at another address.
systemctl disable --quiet coi-sidecar.socket
rm -rf /var/lib/systemd/deb-systemd-helper-enabled/*coi-sidecar.socket* \
  /var/lib/systemd/deb-systemd-helper-enabled/*/coi-sidecar.socket
sed -i 's|^  listen: "127.0.0.1:9380"|  listen: "0.0.0.0:9380"|' $config
# As before there was an event log: a mail process has put a file into the spool directory.
install -d -o coi-sidecar -g coi-mail -m 1730 /var/spool/coi-sidecar
setfacl -d -m u::rw-,u:coi-sidecar:rw-,g::---,m::rw-,o::--- /var/spool/coi-sidecar
echo '{"user":"bob","service":"lmtp","events":[{"event":"MessageNew","mailbox":"INBOX","uid":1,"uidvalidity":1}]}' |
  setpriv --reuid bob --regid bob --groups coi-mail \
    sh -c 'umask 077; cat >/var/spool/coi-sidecar/17960110430000758458-0001-53d570c2e046ac33.json'
systemctl start coi-sidecar.service
taken_in() { curl --silent http://127.0.0.1:9380/metrics | grep -q '^coi_spool_files_total{result="taken"} 1'; }
eventually taken_in
before=$(systemctl show --property MainPID --value coi-sidecar.service)
sum=$(sha256sum $config)
dpkg --install /usr/local/coi-sidecar.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg"; }
eventually systemctl is-active coi-sidecar.service
[ "$(systemctl show --property MainPID --value coi-sidecar.service)" != "$before" ] ||
  fail "the upgrade did not restart it"
is "$(sha256sum $config)" "$sum" "the configuration"
is "$(systemctl is-active coi-sidecar.socket)" active "its port"
is "$(systemctl show --property Listen --value coi-sidecar.socket)" '0.0.0.0:9380 (Stream)' "http.listen"
eventually curl --fail --silent http://127.0.0.1:9380/healthz
is "$(ls -A /var/spool/coi-sidecar)" '' "what is left in the spool directory of before"

step "purge takes the configuration and leaves the annotations, and says what it leaves"
rm -f /etc/coi-sidecar/test-ca.pem
mkdir /var/spool/coi-sidecar/of-somebody-else
dpkg --purge coi-sidecar >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg"; }
for dir in /var/lib/coi-sidecar /var/spool/coi-sidecar; do
  grep -q "^coi-sidecar: .*$dir" /tmp/dpkg.log || { cat /tmp/dpkg.log; fail "it does not say that it leaves $dir"; }
done
[ ! -e /etc/systemd/system/coi-sidecar.socket.d ] || fail "the socket unit's drop-in is still there"
[ ! -e /etc/coi-sidecar ] || fail "/etc/coi-sidecar is still there"
[ ! -e /var/spool/coi-events ] || fail "/var/spool/coi-events is still there"
[ ! -e /usr/lib/coi-sidecar ] || fail "/usr/lib/coi-sidecar is still there"
[ -e /var/lib/coi-sidecar/state.db ] || fail "the annotations are gone"
! systemctl is-active --quiet coi-sidecar.service || fail "it still runs"
