# shellcheck shell=sh
# needs: lib
# Runs find and stat while other operations change the host.

# Characters that our paths never contain, as a pattern of find.
UNSAFE='*[!A-Za-z0-9/._+?=@-]*'

# look COMMAND: find or stat. A file that vanished or changed its type during the probe is no error.
# All other errors are.
look() {
  exec 5>&1
  trouble=$("$@" 2>&1 >&5 5>&-) && return 0
  trouble=$(printf '%s\n' "$trouble" |
    sed -E '/: (No such file or directory|Not a directory|Invalid argument)$/d')
  [ -n "$trouble" ] || return 0
  printf '%s\n' "$trouble" >&2
  return 1
}
