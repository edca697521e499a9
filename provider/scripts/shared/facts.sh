# shellcheck shell=sh
# needs: lib
# What every probe has: facts as `kind<TAB>field...` lines, and those that every machine has.
fact() {
  printf '%s' "$1"
  shift
  for field in "$@"; do printf '\t%s' "$field"; done
  printf '\n'
}

# Into `first`, by the shell alone; fails where there is no such file, or none any more.
first_line() {
  first=
  [ -f "$1" ] || return 1
  { IFS= read -r first || true; } 2>/dev/null <"$1"
}

# The time since the boot comes first: probes overlap, and it tells which one is newer.
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
