#!/bin/sh
# Provides what everything else requires: Node, npm's dependencies and the compiled program.
# Sourced by lab/run in the checkout, with the cache's directory in `cache`.
: "${cache:?}"

NODE_MAJOR=22
# The version to install where the machine's Node is older than that.
NODE_VERSION=22.23.3

# Runs may overlap, but no two of them may run the same step at once.
lock() {
  mkdir -p "$cache"
  exec 9>"$cache/$1.lock"
  if command -v flock >/dev/null && ! flock -n 9; then
    echo "lab: another run holds the lock $cache/$1.lock; waiting up to 30 minutes" >&2
    flock -w 1800 9
  fi
}

unlock() {
  exec 9>&-
}

# Puts Node on PATH, in front of an older one. Everything that the lab starts finds it there: jest,
# Pulumi's language host, the provider plugin.
ensure_node() {
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || major=0
  [ "$major" -lt "$NODE_MAJOR" ] || return 0
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64) platform=linux-arm64 ;;
    *)
      echo "lab: Node $NODE_MAJOR or newer is required: https://nodejs.org/en/download" >&2
      exit 1
      ;;
  esac
  node_directory=$cache/node/$NODE_VERSION-$platform
  if [ ! -e "$node_directory" ]; then
    lock node
    [ -e "$node_directory" ] || install_node
    unlock
  fi
  PATH=$node_directory/bin:$PATH
}

# npm's package of the official build: it needs no download or script after the installation. It
# gets its name when it is complete and runs, so an interrupted installation never counts.
install_node() {
  echo "lab: installing Node $NODE_VERSION in $node_directory" >&2
  mkdir -p "$cache/node"
  # With the lock held, others are left by runs that were killed.
  if command -v flock >/dev/null; then rm -rf "$node_directory".*; fi
  partial=$(mktemp -d "$node_directory.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  npm install --prefix "$partial" --ignore-scripts --no-save --no-package-lock --no-audit \
    --no-fund "node-$platform@$NODE_VERSION" >&2
  made=$partial/node_modules/node-$platform
  # Headers to compile modules with, and manuals.
  rm -rf "$made/include" "$made/share"
  "$made/bin/node" --version >/dev/null
  # Without flock another run may have been faster. Its copy is as good.
  mv -T "$made" "$node_directory" 2>/dev/null || [ -e "$node_directory" ]
  rm -rf "$partial"
  trap - EXIT
}

ensure_dependencies() {
  installed=node_modules/.package-lock.json
  if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
    echo "lab: npm ci" >&2
    npm ci --no-audit --no-fund >&2
    touch "$installed"
  fi
}

# The stamp has the time at which the compilation started: an edit during it counts as new.
ensure_compiled() {
  stamp=bin/.compiled
  if [ -e "$stamp" ] && [ -z "$(
    find ./*.ts contract site components provider cli lab bench tsconfig*.json package-lock.json \
      -newer "$stamp" \
      \( -name '*.ts' -o -name '*.json' -o -path 'provider/scripts/*' \) -print -quit
  )" ]; then
    return
  fi
  mkdir -p bin
  echo "lab: compiling" >&2
  touch "$stamp.new"
  tsc -p tsconfig.build.json >&2
  # The scripts must be of the same version as the compiled code that sends them.
  rm -rf bin/provider/scripts
  cp -R provider/scripts bin/provider/scripts
  mv "$stamp.new" "$stamp"
}
