#!/bin/sh
# Runs as root while the image is built: the key is not there yet, and must not be. cck is a file next to this script: copy
# the binary that you built (.ci/static makes dist/cck) here before you use the feature.
set -eu
install -m755 "$(dirname "$0")/cck" /usr/local/bin/cck
mkdir -p /usr/local/share/cck
cat >/usr/local/share/cck/start <<START
#!/bin/sh
# At each start of the container, as its user.
if [ -r '${KEYFILE:-/run/secrets/anthropic}' ]; then
  exec cck set-key --key-file '${KEYFILE:-/run/secrets/anthropic}'
elif [ -n "\${ANTHROPIC_API_KEY:-}" ]; then
  exec cck set-key --key-env ANTHROPIC_API_KEY
fi
echo 'cck: no key yet; run cck set-key' >&2
START
chmod 755 /usr/local/share/cck/start
