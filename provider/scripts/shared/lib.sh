# shellcheck shell=sh
# The base of every script: parameters from stdin, markers on stdout, checks, and records.
# Each parameter becomes a variable p_NAME. Parameters are data and are never evaluated.
set -eu
umask 077
export LC_ALL=C
PATH="$PATH:/run/current-system/sw/bin:/run/wrappers/bin:/nix/var/nix/profiles/default/bin"
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

MICROVMS=/var/lib/microvms
STATE=/var/lib/pulumi-microvm
RUN=/run/pulumi-microvm
GCROOTS=/nix/var/nix/gcroots
# NixOS keeps the links to the running and the booted system in $SYSTEMS, and the profile with the
# generations in $PROFILES.
SYSTEMS=/run
PROFILES=/nix/var/nix/profiles
TAB=$(printf '\t')
# yes: the script has printed its result.
concluded=no

# read_parameters: reads `name=value` lines up to an empty line. If the empty line is missing, the
# connection was lost before all parameters arrived.
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
  echo "the parameters are incomplete; nothing was changed" >&2
  exit 1
}

# fail CAUSE WHAT [REMEDY]: ends the script with an error that the provider can parse. Tabs separate
# the fields. WHAT may contain text from other programs: one_line removes its tabs, so that text
# cannot forge another field.
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

# The host key can be right although the machine is wrong: a clone, a restored image, a moved disk.
require_machine() {
  machine=
  read -r machine </etc/machine-id || true
  [ "$machine" = "$p_machine_id" ] || fail wrong-machine \
    "the machine-id is $machine, not $p_machine_id: this is another machine; nothing was changed" \
    "If it was reinstalled on purpose: set forget: true for the host, run up, remove forget."
}

# write_file PATH MODE TEXT: writes a file atomically, also across a power failure. Only root may be
# able to write to the directory. `cat` writes the text because it reports why a write failed.
write_file() {
  if ! { printf '%s\n' "$3" | cat >"$1.new" && chmod "$2" "$1.new" && sync "$1.new"; }; then
    rm -f "$1.new"
    return 1
  fi
  mv -fT "$1.new" "$1"
}

# remove_files PATH...: removes what write_file or set_link wrote, and what a crash left of it.
remove_files() {
  for removed in "$@"; do rm -f "$removed" "$removed.new"; done
}

# set_link PATH TARGET: replaces the link by rename, so the link always exists. An existing link at
# PATH is not followed.
set_link() {
  [ "$(readlink "$1" || true)" = "$2" ] && return 0
  rm -rf "$1.new"
  ln -sT "$2" "$1.new"
  mv -fT "$1.new" "$1"
}

# journal TEXT: writes one line to the host's journal before each mutation, so that an interrupted
# mutation is logged too.
journal() {
  logger -t pulumi-microvm -- "$p_operation: $1"
}

# urn_of FILE: prints the owner that an ownership record names.
urn_of() {
  sed -n 's/.*"urn":"\([^"]*\)".*/\1/p' "$1"
}

# retry COMMAND...: repeats a command until it succeeds, for up to 5 s. Sets `printed` to the output
# of the last attempt.
retry() {
  attempts=0
  until printed=$("$@" 2>&1); do
    [ "$attempts" -lt 50 ] || return 1
    sleep 0.1
    attempts=$((attempts + 1))
  done
}

# ask COMMAND...: sets `answer` to the output. Returns false without an answer. systemctl fails
# without output for a moment while systemd re-executes itself, so the command is repeated for up to
# 5 s. 3 and 4 are systemctl's exit codes for a unit that is not active or not known.
ask() {
  asked=0
  while :; do
    answer_code=0
    answer=$("$@" 2>/dev/null) || answer_code=$?
    case $answer_code in 0 | 3 | 4) return 0 ;; esac
    [ "$asked" -lt 20 ] || return 1
    sleep 0.25
    asked=$((asked + 1))
  done
}

# require_answer COMMAND...: like ask, but fails without an answer.
require_answer() {
  ask "$@" || fail operation "the host did not answer: $1 $2" \
    "Run up again. If it persists, run that command on the host."
}

# ask_state UNIT: sets `unit_state` to the state that systemctl is-active prints.
ask_state() {
  require_answer systemctl is-active "$1"
  unit_state=$answer
}

# unit_has_ended UNIT: true if the unit does not run. False if systemd does not answer.
unit_has_ended() {
  ask systemctl is-active "$1" || return 1
  case $answer in
    active | activating | deactivating | reloading) return 1 ;;
  esac
}

# await_lock FILE: waits without polling while a unit holds the lock of the file. A unit takes its
# lock shortly after its start and releases it shortly before its end, hence the pause.
await_lock() {
  sleep 0.1
  if [ -e "$1" ]; then flock -s "$1" true; fi
}

# order COMMAND...: runs a systemctl that starts or stops units. If systemd re-executes itself in
# the meantime, systemctl loses the connection and fails, but the job continues. Repeating the
# command waits for that job.
order() {
  ordered=0
  while :; do
    order_code=0
    order_says=$("$@" 2>&1) || order_code=$?
    [ -z "$order_says" ] || printf '%s\n' "$order_says" >&2
    case $order_code:$order_says in
      0:*) return 0 ;;
      *' bus:'* | *'D-Bus connection'* | *'Connection re'* | *'Transport endpoint'* | \
        *'wait for response'*) ;;
      *) return "$order_code" ;;
    esac
    [ "$ordered" -lt 20 ] || return "$order_code"
    sleep 0.25
    ordered=$((ordered + 1))
  done
}

# require_ours FILE WHAT [REMEDY]: fails if another stack's record is in FILE. p_owner is
# `"urn":"...",` as in the record. A string value in the record cannot contain p_owner, because JSON
# escapes quotes in strings.
# p_former_owner: the owner under the former name of the resource, or empty.
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
    "Repair the record, or remove it if nobody needs the object."
  fail owned "$2 belongs to $owner" \
    "${3:-Remove it from that stack first, or use another name here.}"
}
