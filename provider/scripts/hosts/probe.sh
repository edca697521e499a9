# shellcheck shell=sh
# needs: facts probe-vms
# Reads all facts of a hypervisor at once. Changes nothing and writes no file, so it also works on a
# full disk. Parsed by hosts/facts/hostFacts.ts. Starts a fixed number of processes, independent of
# the number of VMs. Runs without a lock: files that an operation removes during the probe count as
# absent.

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

probe_machine() {
  while IFS=': ' read -r key value _; do
    if [ "$key" = MemTotal ]; then fact memory-kib "$value"; fi
  done </proc/meminfo
}

# Local file systems that can contain images: device, mount point, free KiB. -a lists all mount
# points. If there are too many, this prints none, because an incomplete list would be wrong: the
# longest mount point decides.
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
    # Lines without a number: the heading, and file systems below another mount.
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
  # systemctl also fails if no unit matches. A real answer contains multi-user.target, which exists
  # on every host.
  ask systemctl list-unit-files --plain --no-legend multi-user.target microvm@.service \
    microvm-tap-interfaces@.service microvm-virtiofsd@.service \
    pulumi-microvm-autostart.service || true
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
  [ -n "$features" ] ||
    features=$(nix config show 2>/dev/null | sed -n 's/^experimental-features = //p')
  case " $features " in
    *' flakes '*) fact nix flakes yes ;;
  esac
}

probe_records() {
  for record in "$STATE"/hosts/*.json "$STATE"/vms/*.json "$STATE"/volumes/*.json \
    "$STATE"/closures/*.json "$STATE"/systems/*.json "$STATE"/clusters/*.json; do
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
    while read -r runner hash; do
      fact hardware "${file##*/}" "$runner" "$hash"
    done 2>/dev/null <"$file" || true
  done
  for file in "$STATE"/guests/*; do
    [ -f "$file" ] || continue
    while read -r system address host_name; do
      fact guest "${file##*/}" "$system" "$address" "$host_name"
    done 2>/dev/null <"$file" || true
  done
  return 0
}

# The host's own NixOS system. readlink -m prints a line for each path, also for a missing one.
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

# Size, allocation and content of every image that has a record or is in the directory of a VM.
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
  closures=$(look find "$GCROOTS/pulumi-microvm" -mindepth 2 -maxdepth 2 -type l \
    -printf 'closure\t%P\t%l\n')
  [ -n "$closures" ] || return 0
  printf '%s\n' "$closures"
  targets=$(printf '%s\n' "$closures" | cut -f 3)
  # nix-store answers nothing if one of them is no store path.
  roots=$(printf '%s\n' "$targets" | grep -E '^/nix/store/[0-9a-z]{32}-' || true)
  # Store paths have no white space, but maybe a `?`.
  set -f
  # shellcheck disable=SC2086
  if [ -z "$roots" ] || ask nix-store --check-validity --print-invalid $roots; then
    [ -z "$roots" ] || printf '%s\n' "$answer" | sed -n "s/^\//invalid$TAB\//p"
  else
    fact silent closures
  fi
  # A path that is gone altogether is not printed by every Nix.
  for target in $targets; do
    case $target in
      /nix/store/*) [ -e "$target" ] || fact invalid "$target" ;;
      *) fact invalid "$target" ;;
    esac
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
