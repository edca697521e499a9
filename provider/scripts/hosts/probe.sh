# shellcheck shell=sh
# needs: facts
# All reads of a hypervisor in one pass. Changes nothing, and writes no file: it also works where a
# disk is full. Parsed by hosts/facts/hostFacts.ts. It starts a fixed number of processes however
# many VMs there are. It runs without a lock: what an operation removes meanwhile is not there, and
# no error.

# What is in no path of ours, as a pattern of find.
UNSAFE='*[!A-Za-z0-9/._+?=@-]*'

# look COMMAND: find or stat. A name that vanished while it looked, or became something else, is no
# error; everything else is.
look() {
  exec 5>&1
  trouble=$("$@" 2>&1 >&5 5>&-) && return 0
  trouble=$(printf '%s\n' "$trouble" |
    sed -E '/: (No such file or directory|Not a directory|Invalid argument)$/d')
  [ -n "$trouble" ] || return 0
  printf '%s\n' "$trouble" >&2
  return 1
}

probe_machine() {
  while IFS=': ' read -r key value _; do
    if [ "$key" = MemTotal ]; then fact memory-kib "$value"; fi
  done </proc/meminfo
}

# Local file systems that can hold images: device, mount point, free KiB. -a lists each place where
# one is mounted. If there are too many, none is listed: the longest mount point decides.
probe_file_systems() {
  set -- proc sysfs devtmpfs devpts ramfs securityfs cgroup cgroup2 pstore efivarfs bpf debugfs \
    tracefs configfs fusectl hugetlbfs mqueue binfmt_misc autofs rpc_pipefs nsfs squashfs selinuxfs
  for type do
    shift
    set -- "$@" -x "$type"
  done
  listed=$(df -a -k -l "$@" --output=avail,source,target 2>/dev/null || true)
  [ "$(printf '%s\n' "$listed" | wc -l)" -le 1000 ] || return 0
  printf '%s\n' "$listed" | while read -r free device place; do
    # Without a number: the heading, or what is hidden below another mount.
    case $free in *[!0-9]* | '') continue ;; esac
    case $place in
      /proc/* | /sys/* | /dev/* | /run/*) ;;
      /*) fact file-system "$device" "$place" "$free" ;;
    esac
  done
}

probe_kvm() {
  [ -c /dev/kvm ] && fact kvm device
  grep -Eqw 'vmx|svm' /proc/cpuinfo && fact kvm flags
  for module in kvm_intel kvm_amd kvm; do
    [ -d "/sys/module/$module" ] || continue
    fact kvm module
    break
  done
  return 0
}

# Distributions start libvirtd on demand and let it end when idle: its socket counts as active.
probe_libvirtd() {
  if ! ask systemctl is-active libvirtd.service libvirtd.socket; then
    fact silent libvirtd
    return 0
  fi
  # One word for each.
  # shellcheck disable=SC2086
  set -- $answer
  libvirtd=${1:-}
  if [ "${2:-}" = active ]; then libvirtd=active; fi
  fact libvirtd active "$libvirtd"
  if [ "$libvirtd" = active ] && libvirtd_answers; then fact libvirtd answers yes; fi
}

# A libvirtd that restarts refuses connections for a moment.
libvirtd_answers() {
  tries=0
  while :; do
    code=0
    timeout 10 virsh -c qemu:///system version >/dev/null 2>&1 || code=$?
    case $code:$tries in
      0:*) return 0 ;;
      # It did not end in time, it is not installed, or it failed again.
      124:* | 127:* | *:4) return 1 ;;
    esac
    tries=$((tries + 1))
    sleep 0.5
  done
}

# By netlink: /sys may be that of another network namespace. Into `links`, all interfaces, each as
# ` NAME:up:MASTER `, with `down` and an empty master where it is so.
probe_links() {
  links=
  if ! ask ip -o link show; then
    fact silent bridges
    return 0
  fi
  links=$(printf '%s\n' "$answer" | sed -E \
    -e 's/^[0-9]+: ([^:@ ]+)[^:]*: <([^>]*)>(.* master ([^ ]+))?.*/ \1:,\2,:\4 /' \
    -e 's/:[^:]*,UP,[^:]*:/:up:/; s/:,[^:]*,:/:down:/')
  if ! ask ip -o link show type bridge; then
    fact silent bridges
    return 0
  fi
  bridges=$(printf '%s\n' "$answer" | sed -E 's/^[0-9]+: ([^:@ ]+).*/\1/')
  for bridge in $bridges; do
    ports=
    up=down
    for link in $links; do
      case $link in
        *:"$bridge") ports="$ports ${link%%:*}" ;;
        "$bridge":up:*) up=up ;;
      esac
    done
    fact bridge "$bridge" "$up" "$ports"
  done
}

probe_units() {
  autostart=
  # systemctl also fails if no unit matches. multi-user.target exists on every host: an answer has it.
  ask systemctl list-unit-files --plain --no-legend multi-user.target microvm@.service \
    microvm-tap-interfaces@.service microvm-virtiofsd@.service pulumi-microvm-autostart.service || true
  case $answer in
    *multi-user.target*) ;;
    *)
      fact silent units
      return 0
      ;;
  esac
  printf '%s\n' "$answer" | {
    while read -r unit enabled _; do
      case $unit in
        *@.service) fact unit "$unit" installed ;;
        *.service) autostart=$enabled ;;
      esac
    done
    fact unit pulumi-microvm-autostart.service "$autostart"
  }
}

probe_nix() {
  version=$(nix --version 2>/dev/null) || return 0
  fact nix version "$version"
  features=$(nix show-config 2>/dev/null | sed -n 's/^experimental-features = //p')
  [ -n "$features" ] || features=$(nix config show 2>/dev/null | sed -n 's/^experimental-features = //p')
  case " $features " in
    *' flakes '*) fact nix flakes yes ;;
  esac
}

probe_records() {
  for record in "$STATE"/hosts/*.json "$STATE"/vms/*.json "$STATE"/volumes/*.json "$STATE"/closures/*.json \
    "$STATE"/systems/*.json; do
    first_line "$record" || continue
    kind=${record%/*}
    name=${record##*/}
    fact record "${kind##*/}" "${name%.json}" "$first"
  done
  for mark in "$STATE"/autostart/*; do
    [ -f "$mark" ] && fact autostart "${mark##*/}"
  done
  for file in "$STATE"/memory/*; do
    first_line "$file" || continue
    fact memory-target "${file##*/}" "$first"
  done
  for file in "$RUN"/memory/*; do
    first_line "$file" || continue
    fact memory-told "${file##*/}" "$first"
  done
  for file in "$STATE"/held/*/*; do
    [ -f "$file" ] && fact held "${file##*/}"
  done
  for file in "$STATE"/hardware/*; do
    [ -f "$file" ] || continue
    while read -r runner hash; do fact hardware "${file##*/}" "$runner" "$hash"; done 2>/dev/null <"$file" || true
  done
  for file in "$STATE"/guests/*; do
    [ -f "$file" ] || continue
    while read -r system address host_name; do
      fact guest "${file##*/}" "$system" "$address" "$host_name"
    done 2>/dev/null <"$file" || true
  done
  return 0
}

# What each VM was started with, by its runner: its taps, and whether they are up; and whether it has
# a balloon. Only runners in the store are looked into.
probe_runners() {
  look find "$MICROVMS" -mindepth 2 -maxdepth 2 -name booted ! -path "$UNSAFE" -lname '/nix/store/*' \
    ! -lname '/nix/store/*/*' ! -lname "$UNSAFE" -printf '%h\t%l\n' | while IFS=$TAB read -r path runner; do
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
    \( -type l ! -lname "$UNSAFE" -printf 'link\t%P\t%l\n' -o -name flake -type f -printf 'flake\t%P\n' \)
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
      if ($i ~ /^Id=/) { name = substr($i, 4); sub(/^microvm@/, "", name); sub(/\.service$/, "", name) }
      if ($i ~ /^MainPID=/) pid = substr($i, 9)
    }
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
    -type d ! -path '*/etc' ! -path '*/etc/ssh' ! -path '*/etc/pulumi-microvm' -prune -o ! -path "$UNSAFE" \( \
    -path '*/etc/ssh/ssh_host_ed25519_key.pub' -type f -size -2 -printf 'key\t%P\n' -o \
    -path '*/etc/pulumi-microvm/system' -lname '/nix/store/[a-z0-9]*' ! -lname "$UNSAFE" ! -lname '/nix/store/*/*' \
    -printf 'system\t%P\t%T@\t%l\n' \) | while IFS=$TAB read -r kind path time system; do
    vm=${path%%/*}
    case $kind:$vm in
      *:*[!a-z0-9-]*) ;;
      key:*) host_key_fact "$vm" "$MICROVMS/$path" ;;
      # Without a target: it went while find looked.
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

# The host's own NixOS system. readlink -m answers a line for each path, whatever is there.
probe_system() {
  set --
  for link in "$SYSTEMS/current-system" "$SYSTEMS/booted-system"; do
    set -- "$@" "$link" "$link/kernel" "$link/initrd" "$link/kernel-modules"
  done
  readlink -m "$PROFILES/system" "$@" | {
    for key in profile current current-kernel current-initrd current-kernel-modules \
      booted booted-kernel booted-initrd booted-kernel-modules; do
      IFS= read -r target || true
      fact system "$key" "$target"
    done
  }
  for file in trial rolled-back; do
    first_line "$STATE/systems/$file" || continue
    fact "$file" "$first"
  done
}

# Every image that has a record, and every one beside a VM: size and allocation, and what it holds.
probe_images() {
  images=$(image_paths | sort -u)
  # The paths of images have no white space and no patterns.
  # shellcheck disable=SC2086
  set -- $images
  for image do
    shift
    if [ -f "$image" ]; then set -- "$@" "$image"; fi
  done
  [ $# -eq 0 ] && return 0
  look stat -L --printf 'image\t%n\t%s\t%b\n' -- "$@"
  probe_contents "$@"
}

image_paths() {
  find "$MICROVMS" -mindepth 2 -maxdepth 2 -type f ! -path "$UNSAFE" \
    \( -name '*.img' -o -name '*.raw' \) -print 2>/dev/null || true
  set -- "$STATE"/volumes/*.json
  if [ -f "$1" ]; then sed -n 's/.*"image":"\([^"]*\)".*/\1/p' "$@"; fi
}

# Without -p: with it, blkid ends at the first image whose content it does not know. It escapes the
# special characters of a label, so that no label forges a line here.
probe_contents() {
  code=0
  contents=$(blkid -c /dev/null -o export -s TYPE -s LABEL -- "$@" 2>/dev/null) || code=$?
  # 2: it knows nothing in any of them.
  case $code in
    0 | 2) fact blkid looked ;;
    *) return 0 ;;
  esac
  device='' label='' type=''
  printf '%s\n\n' "$contents" | while IFS='=' read -r key value; do
    case $key in
      DEVNAME) device=$value label='' type='' ;;
      LABEL) label=$value ;;
      TYPE) type=$value ;;
      '') [ -z "$device" ] || fact content "$device" "$type" "$label" ;;
    esac
  done
}

probe_closures() {
  [ -d "$GCROOTS/pulumi-microvm" ] || return 0
  closures=$(look find "$GCROOTS/pulumi-microvm" -mindepth 2 -maxdepth 2 -type l -printf 'closure\t%P\t%l\n')
  [ -n "$closures" ] || return 0
  printf '%s\n' "$closures"
  roots=$(printf '%s\n' "$closures" | cut -f 3)
  # Store paths have no white space, but maybe a `?`.
  set -f
  # shellcheck disable=SC2086
  nix-store --check-validity --print-invalid $roots 2>/dev/null | sed "s/^/invalid$TAB/"
  # A path that is gone altogether is not printed by every Nix.
  for root in $roots; do
    [ -e "$root" ] || fact invalid "$root"
  done
  set +f
}

probe() {
  probe_identity
  probe_machine
  probe_file_systems
  probe_kvm
  probe_libvirtd
  probe_links
  probe_units
  probe_nix
  probe_records
  probe_vms
  probe_images
  probe_closures
  probe_system
  fact probed
}
