#!/bin/sh
# Brings a fresh clone to where every make target can start: packages, and a word about what only an operator can install.
# Usage: scripts/setup.sh [servers]   (servers: also what the real Kafka, HDFS and S3 servers of the tests need)
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $1" >&2
  exit 1
}

has_library() {
  { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q "$1"
}

# RocksDB's binding is linked against libatomic, which Debian does not install by itself.
require_libatomic() {
  [ "$(uname -s)" = Linux ] || return 0
  has_library libatomic.so.1 && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'setup: installing libatomic1'
    { apt-get install -y -qq libatomic1 || { apt-get update -qq && apt-get install -y -qq libatomic1; }; } >/dev/null || true
  fi
  has_library libatomic.so.1 || fail 'libatomic.so.1 is missing: install the Debian package libatomic1'
}

require_command() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2"
}

require_node() {
  require_command node 'Node.js 20.19 or newer'
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    fail "Node.js 20.19 or newer is needed, this is $(node --version)"
}

# Not `npm ci`: where a registry lacks the optional binaries of other platforms it refuses the lock file.
install_packages() {
  stamp=node_modules/.setup-stamp
  [ -e "$stamp" ] && [ ! package.json -nt "$stamp" ] && [ ! package-lock.json -nt "$stamp" ] && return 0
  echo 'setup: npm install'
  before=$(cksum package-lock.json)
  npm install --no-save --loglevel=error
  [ "$before" = "$(cksum package-lock.json)" ] || {
    git --no-pager diff --stat -- package-lock.json
    fail 'npm changed package-lock.json: package.json and the lock disagree'
  }
  touch "$stamp"
}

require_node
require_libatomic
install_packages
if [ "${1:-}" = servers ]; then
  require_command javac 'the Debian package openjdk-17-jdk-headless'
  require_command mvn 'the Debian package maven'
  require_command go 'Go 1.24 or newer'
fi
