# shellcheck shell=sh
# needs: facts
# The facts about VMs in the probe. Uses look, UNSAFE and links of probe.sh.

# What each VM was started with, by its runner: its taps, whether they are up, and whether it has a
# balloon. Only runners in the store are looked into.
probe_runners() {
  look find "$MICROVMS" -mindepth 2 -maxdepth 2 -name booted ! -path "$UNSAFE" \
    -lname '/nix/store/*' ! -lname '/nix/store/*/*' ! -lname "$UNSAFE" -printf '%h\t%l\n' |
    while IFS=$TAB read -r path runner; do
      vm=${path##*/}
      case $vm in *[!a-z0-9-]*) continue ;; esac
      if [ -x "$runner/bin/microvm-balloon" ]; then fact balloon "$vm"; fi
      [ -f "$runner/share/microvm/tap-interfaces" ] || continue
      while read -r taps; do
        for tap in $taps; do tap_fact "$vm" "$tap"; done
      done <"$runner/share/microvm/tap-interfaces"
    done
}

tap_fact() {
  case $2 in *[!A-Za-z0-9._-]*) return 0 ;; esac
  case $links in
    '') ;;
    *" $2:up:"*) fact tap "$1" "$2" up ;;
    *" $2:down:"*) fact tap "$1" "$2" down ;;
    *) fact tap "$1" "$2" missing ;;
  esac
}

# The VMM of each VM that has a control socket, by two greps of the arguments of all processes.
# $@: VM and process id, alternately.
probe_vmms() {
  pairs=" $* "
  set --
  for word in $pairs; do
    case $word in
      *[!0-9]* | 0) ;;
      *) set -- "$@" "/proc/$word/cmdline" ;;
    esac
  done
  [ $# -gt 0 ] || return 0
  vmm_facts qemu -qmp "$@"
  vmm_facts cloud-hypervisor --api-socket "$@"
}

# vmm_facts VMM OPTION FILE...
vmm_facts() {
  kind=$1
  option=$2
  shift 2
  { grep -l -z -x -e "$option" -- "$@" 2>/dev/null || true; } | while IFS=/ read -r _ _ pid _; do
    before=${pairs%" $pid "*}
    fact vmm "${before##* }" "$kind"
  done
}

# Links of each VM, by one `find`. The VM's user can create links and files there. A name or target
# with a line break or another unsafe character could forge lines of this answer, and is skipped.
probe_vms() {
  [ -d "$MICROVMS" ] || return 0
  look find "$MICROVMS" -mindepth 2 -maxdepth 2 -name '[a-z]*' ! -path "$UNSAFE" \
    \( -type l ! -lname "$UNSAFE" -printf 'link\t%P\t%l\n' \
    -o -name flake -type f -printf 'flake\t%P\n' \)
  probe_shares
  known_units
  set --
  for directory in "$MICROVMS"/[a-z]*; do
    [ -d "$directory" ] || continue
    vm=${directory##*/}
    case $vm in *[!a-z0-9-]*) continue ;; esac
    # Made by `microvm -c`: no toplevel link, but the runner names its system.
    if [ -L "$directory/current" ] && [ ! -L "$directory/toplevel" ]; then
      fact link "$vm/system" "$(readlink "$directory/current/share/microvm/system" || true)"
    fi
    case $known in
      *" microvm@$vm.service "*) set -- "$@" "microvm@$vm.service" ;;
    esac
  done
  [ $# -eq 0 ] && return 0
  # One block for each, its lines in an order of systemctl's own, and an empty line behind it.
  unit='' active='' invocation='' started=''
  require_answer systemctl show --timestamp=unix \
    --property=Id,ActiveState,InvocationID,ExecMainStartTimestamp,MainPID "$@"
  pids=$(printf '%s\n' "$answer" | awk 'BEGIN { RS = ""; FS = "\n" } {
    name = ""; pid = 0
    for (i = 1; i <= NF; i++) {
      if ($i ~ /^Id=/) name = substr($i, 4)
      if ($i ~ /^MainPID=/) pid = substr($i, 9)
    }
    sub(/^microvm@/, "", name)
    sub(/\.service$/, "", name)
    print name, pid
  }')
  printf '%s\n\n' "$answer" | while IFS='=' read -r key value; do
    case $key in
      Id) unit=$value ;;
      ActiveState) active=$value ;;
      InvocationID) invocation=$value ;;
      ExecMainStartTimestamp) started=${value#@} ;;
      '') unit_facts "$unit" "$active" "$invocation" "$started" ;;
    esac
  done
  # Words without white space.
  # shellcheck disable=SC2086
  probe_vmms $pids
  probe_runners
}

# Into `known`, the units that systemd has in its memory, each between blanks. A VM that was stopped
# is usually not among them; without a line it is inactive. Asking for it by name would make systemd
# read the unit's files: 5 ms for each VM.
known_units() {
  require_answer systemctl list-units --all --full --plain --no-legend 'microvm@*.service'
  known=$(printf '%s\n' "$answer" | cut -d ' ' -f 1 | tr '\n' ' ')
  known=" $known"
}

unit_facts() {
  fact active "$1" "$2"
  [ -z "$3" ] || fact invocation "$1" "$3"
  [ -z "$4" ] || fact started "$1" "$4"
}

# What each guest has in its /etc share: its public host key, and a link to the system of its last
# activation. The guest writes there. So only a small file is read, no link is followed, no pipe is
# opened, and only what looks like a key or a system is passed on.
probe_shares() {
  look find "$MICROVMS" -mindepth 2 -maxdepth 4 \
    -type d ! -path '*/etc' ! -path '*/etc/ssh' ! -path '*/etc/pulumi-microvm' -prune \
    -o ! -path "$UNSAFE" \( \
    -path '*/etc/ssh/ssh_host_ed25519_key.pub' -type f -size -2 -printf 'key\t%P\n' -o \
    -path '*/etc/pulumi-microvm/system' -lname '/nix/store/[a-z0-9]*' ! -lname "$UNSAFE" \
    ! -lname '/nix/store/*/*' \
    -printf 'system\t%P\t%T@\t%l\n' \) | while IFS=$TAB read -r kind path time system; do
    vm=${path%%/*}
    case $kind:$vm in
      *:*[!a-z0-9-]*) ;;
      key:*) host_key_fact "$vm" "$MICROVMS/$path" ;;
      # Without a target: the link vanished while find read it.
      system:*) [ -z "$system" ] || fact guest-system "$vm" "${time%%.*}" "$system" ;;
    esac
  done
}

host_key_fact() {
  first_line "$2" || return 0
  case $first in
    *[!A-Za-z0-9+/=@\ ._-]*) ;;
    'ssh-ed25519 '*) fact hostkey "$1" "$first" ;;
  esac
}
