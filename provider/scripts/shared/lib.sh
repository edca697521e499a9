# shellcheck shell=sh
# What every script begins with: the parameters from stdin, markers on stdout, checks, records.
# Parameters become variables p_NAME; they are data and never evaluated.
set -eu
umask 077
export LC_ALL=C
PATH="$PATH:/run/current-system/sw/bin:/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

MICROVMS=/var/lib/microvms
STATE=/var/lib/pulumi-microvm
RUN=/run/pulumi-microvm
GCROOTS=/nix/var/nix/gcroots
# Where NixOS has the links to what runs and what was booted, and the profile of its generations.
SYSTEMS=/run
PROFILES=/nix/var/nix/profiles
TAB=$(printf '\t')
# yes: the result was printed.
concluded=no

# read_parameters: `name=value` lines up to an empty one. Without that one they did not come whole.
read_parameters() {
  while IFS= read -r parameter_line; do
    [ -n "$parameter_line" ] || return 0
    parameter_name=${parameter_line%%=*}
    parameter_value=${parameter_line#*=}
    case $parameter_name in
      *[!a-z_]* | '') fail operation "bad parameter name" ;;
    esac
    eval "p_$parameter_name=\$parameter_value"
  done
  echo "the parameters did not come whole; nothing was done" >&2
  exit 1
}

# fail CAUSE WHAT [REMEDY]: ends the script with an error that the provider understands. The fields
# are separated by tabs; what others wrote is part of WHAT, and can pose as no other field.
fail() {
  concluded=yes
  printf '%s fail %s\t%s\t%s\n' "$p_nonce" "$1" "$(one_line "$2")" "$(one_line "${3:-}")"
  exit 1
}

one_line() {
  printf '%s' "$1" | tr '\t\r\n' '   '
}

finish() {
  concluded=yes
  printf '%s done\n' "$p_nonce"
}

status() {
  printf '%s status %s\n' "$p_nonce" "$(one_line "$1")"
}

# The right key on the wrong machine: a clone, a restored image, a swapped disk.
require_machine() {
  machine=
  read -r machine </etc/machine-id || true
  [ "$machine" = "$p_machine_id" ] || fail wrong-machine \
    "the machine-id is $machine, recorded is $p_machine_id: this is another machine; nothing was changed" \
    "If the host was reinstalled on purpose, remove it from the site, run up, and add it again."
}

# write_file PATH MODE TEXT: whole or not at all, in a directory that only root writes in, also when the power
# goes. `cat` can say why it could not write.
write_file() {
  if ! { printf '%s\n' "$3" | cat >"$1.new" && chmod "$2" "$1.new" && sync "$1.new"; }; then
    rm -f "$1.new"
    return 1
  fi
  mv -fT "$1.new" "$1"
}

# set_link PATH TARGET: by rename, so the link is never absent. Nothing that is there is followed.
set_link() {
  [ "$(readlink "$1" || true)" = "$2" ] && return 0
  rm -rf "$1.new"
  ln -sT "$2" "$1.new"
  mv -fT "$1.new" "$1"
}

# journal TEXT: one line in the host's journal for each mutation, before it: what was interrupted is
# in the journal too.
journal() {
  logger -t pulumi-microvm -- "$p_operation: $1"
}

# urn_of FILE: the owner in an ownership record.
urn_of() {
  sed -n 's/.*"urn":"\([^"]*\)".*/\1/p' "$1"
}

# insist COMMAND...: again and again until it succeeds, for up to 5 s; into `said`, what it said last.
insist() {
  attempts=0
  until said=$("$@" 2>&1); do
    [ "$attempts" -lt 50 ] || return 1
    sleep 0.1
    attempts=$((attempts + 1))
  done
}

# require_ours FILE WHAT [REMEDY]: refuses an object that another stack recorded as its own. p_owner is
# `"urn":"...",` as the record has it: within a text of the record its quotes would be escaped.
# p_former_owner: the same under the former name of the resource; empty where it has none.
require_ours() {
  [ -e "$1" ] || return 0
  content=$(cat "$1")
  case $content in
    *"$p_owner"*) return 0 ;;
  esac
  if [ -n "${p_former_owner:-}" ]; then
    case $content in
      *"$p_former_owner"*) return 0 ;;
    esac
  fi
  owner=$(urn_of "$1")
  [ -n "$owner" ] || fail foreign "$2 has a record that names no owner: $1" \
    "Put the record right, or remove it if nobody needs the object."
  fail owned "$2 belongs to $owner" \
    "${3:-Remove it from that stack first, or give this one another name.}"
}
