#!/bin/sh
# Writes into the Dockerfiles and docker-compose.yml which image exactly each name and tag stands for
# (name:tag@sha256:…), as the registry has it today, so that a build is the same tomorrow. To be run
# before a release, and when a base image was mended.
#
#   sh scripts/pin-images.sh            ask the registry, and write
#   sh scripts/pin-images.sh --check    only say which images have no digest
#
# Needs skopeo, or docker with buildx, and a registry. Exit code 3 and a reason where it cannot be done
# here, and for --check where an image has no digest: a digest is never guessed.
set -eu
cd "${COI_PIN_ROOT:-$(dirname "$0")/..}"
files="Dockerfile docker/dovecot/Dockerfile docker-compose.yml"

say() { echo "pin-images: $*" >&2; }

# Every image that is named, without its digest. Not the stages of a Dockerfile itself.
# shellcheck disable=SC2086 # a list of words
images=$(
  sed -n -e 's/^FROM \([^ @]*:[^ @]*\).*/\1/p' -e 's/^ *image: *\([^ @]*\).*/\1/p' $files | sort -u
)

if [ "${1-}" = --check ]; then
  # shellcheck disable=SC2086
  unpinned=$(sed -n -e 's/^FROM \([^ @]*:[^ @]*\)\( .*\)\{0,1\}$/\1/p' \
    -e 's/^ *image: *\([^ @]*\)$/\1/p' $files | sort -u | xargs)
  [ -n "$unpinned" ] || exit 0
  say "NOT PINNED by digest: $unpinned; run scripts/pin-images.sh where there is a registry"
  exit 3
fi

if command -v skopeo >/dev/null; then
  digest_of() { skopeo inspect --no-tags --format '{{.Digest}}' "docker://docker.io/$1"; }
elif docker buildx version >/dev/null 2>&1; then
  digest_of() { docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"; }
else
  say "cannot run: needs skopeo, or docker with buildx"
  exit 3
fi

for image in $images; do
  # Docker's own images have no owner in their names.
  case $image in */*) name=$image ;; *) name=library/$image ;; esac
  digest=$(digest_of "$name" 2>/dev/null) || { say "cannot run: no registry tells of $image"; exit 3; }
  echo "$digest" | grep -qE '^sha256:[0-9a-f]{64}$' || { say "$image: no digest in \"$digest\""; exit 3; }
  # shellcheck disable=SC2086
  sed -i -e "s|^\(FROM $image\)\(@sha256:[0-9a-f]*\)\{0,1\}\( .*\)\{0,1\}\$|\1@$digest\3|" \
    -e "s|^\( *image: *$image\)\(@sha256:[0-9a-f]*\)\{0,1\}\$|\1@$digest|" $files
  say "$image@$digest"
done
