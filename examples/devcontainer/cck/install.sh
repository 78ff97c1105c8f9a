#!/bin/sh
# Runs as root while the image is built: no key is there yet, and none may be.
set -eu
npm install --global @cck-cli/cck
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
