# shellcheck shell=sh
# needs: lib
# The base of every probe: prints facts as `kind<TAB>field...` lines, and the facts that every
# machine has.
fact() {
  printf '%s' "$1"
  shift
  for field in "$@"; do printf '\t%s' "$field"; done
  printf '\n'
}

# Sets `first` to the first line of a file without starting a process. Returns false if the file
# does not exist.
first_line() {
  first=
  [ -f "$1" ] || return 1
  { IFS= read -r first || true; } 2>/dev/null <"$1"
}

# The uptime comes first: probes can overlap, and the uptime shows which result is newer.
probe_identity() {
  read -r uptime _ </proc/uptime
  fact taken "${uptime%.*}${uptime#*.}"
  first_line /proc/sys/kernel/random/boot_id || true
  fact boot-id "$first"
  first_line /etc/machine-id || true
  fact machine-id "$first"
  first_line /proc/sys/kernel/hostname || true
  fact hostname "$first"
  fact clock "$(date +%s)"
}
