# Sourced by the scripts: puts a Node of at least version 26 first in PATH, the system's own or the one scripts/setup
# installed beside the checkout, and says what to do where there is none.
provision_home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }
if [ -x "$provision_home/.node/bin/node" ]; then
  PATH="$provision_home/.node/bin:$PATH"
elif [ "$(node_major node)" -lt 26 ]; then
  echo "provision: Node 26 or newer is needed and was not found; run $provision_home/scripts/setup" >&2
  exit 1
fi
export PATH
# SQLite and FFI carry an "experimental" note in Node 26; both are pinned with the runtime.
export NODE_OPTIONS="${NODE_OPTIONS:+$NODE_OPTIONS }--disable-warning=ExperimentalWarning"
