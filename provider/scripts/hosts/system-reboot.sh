# shellcheck shell=sh
# needs: begin system
# One boot of a system, on trial: the system that was booted last stays the default, so whatever ends that boot
# brings it back. In that boot, unit pulumi-microvm-boot-trial (boot-trial.sh) restarts the host unless it is confirmed.
# p_stack: how the URNs of this stack begin.
# p_toplevel p_stop_order (VMs, in the order in which they are stopped) p_boot_seconds p_switch_seconds. Behind system.sh.
require_bootable() {
  bootctl is-installed >/dev/null 2>&1 || fail operation \
    "one boot of $p_toplevel can't be asked for: systemd-boot is not installed here" \
    "Reboot the host yourself, and set rebootPolicy: never for it."
  [ -e "$p_toplevel/etc/systemd/system/pulumi-microvm-boot-trial.service" ] || fail input \
    "$p_toplevel has no unit pulumi-microvm-boot-trial: if nobody could log in to it, nothing would bring the host back" \
    "Import nixosModules.virtualization, or set rebootPolicy: never for this host."
}

are_the_last_two() {
  generation_of "$previous"
  before=${generation:-0}
  generation_of "$new"
  [ "${generation:-0}" -eq "$((before + 1))" ] && [ "$(readlink -f "$PROFILES/system")" = "$new" ]
}

# Only generations of the profile can be booted, and of those only the last few: so both are made the last two, and the
# one before the default.
install_entries() {
  if ! are_the_last_two; then
    set_profile "$previous"
    set_profile "$new"
  fi
  journal "installing $new for one boot; $previous stays the default"
  run_switch "$previous" boot
  [ "$code" = 0 ] || fail operation \
    "the boot loader's entries could not be installed: $(meaning "$code"): $(switch_lines)"
  default=$(sed -n 's/^default nixos-generation-\([0-9]*\).*/\1/p' "$(bootctl --print-esp-path)/loader/loader.conf")
  [ "$(readlink -f "$PROFILES/system-$default-link" || true)" = "$previous" ] || fail operation \
    "$previous could not be made the default, so nothing was rebooted" \
    "boot.loader.systemd-boot.configurationLimit must be 2 or more."
}

# The host is not rebooted while VMs of other stacks run. Behind the host's lock nobody starts one.
require_no_other_vms() {
  require_answer systemctl list-units --plain --no-legend --all 'microvm@*.service'
  others=$(printf '%s\n' "$answer" | while read -r vm _ active _; do
    case $active in inactive | failed) continue ;; esac
    vm=${vm#microvm@}
    vm=${vm%.service}
    [ -e "$STATE/vms/$vm.json" ] || continue
    owner=$(urn_of "$STATE/vms/$vm.json")
    case $owner in
      "$p_stack"*) ;;
      *) printf ' %s (%s)' "$vm" "$owner" ;;
    esac
  done)
  [ -z "$others" ] || fail owned \
    "$p_toplevel needs a reboot of the host, and VMs of other stacks run there:$others" \
    "Stop them in their site first, or set rebootPolicy: never for this hypervisor."
}

# One after the other, in the order that was asked for, then those that nobody named.
stop_vms() {
  # Names have no white space.
  require_answer systemctl list-units --plain --no-legend --state=active 'microvm@*.service'
  # shellcheck disable=SC2046,SC2086
  set -- $p_stop_order $(printf '%s\n' "$answer" |
    sed -n 's/^microvm@\([a-z0-9-]*\)\.service .*/\1/p')
  for vm in "$@"; do
    require_answer systemctl is-active "microvm@$vm.service"
    [ "$answer_code" = 0 ] || continue
    status "stopping $vm"
    journal "stopping $vm for the reboot"
    order systemctl stop "microvm@$vm.service" || true
  done
}

ask_for_one_boot() {
  generation_of "$new"
  journal "asking for one boot of generation $generation"
  bootctl set-oneshot "nixos-generation-$generation.conf" || fail operation "bootctl set-oneshot failed"
}

# Detached, and a moment later, so that this operation can tell its end.
reboot_once() {
  journal "rebooting into $new"
  sync
  systemd-run --quiet --collect --unit="pulumi-microvm-reboot-$$" --on-active=2 systemctl reboot ||
    fail operation "systemd did not take the reboot"
}

reboot_system() {
  require_ours "$record" "the NixOS system of this host"
  require_no_other_vms
  new=$p_toplevel
  previous=$(readlink -f "$SYSTEMS/booted-system")
  trial_boot=$(this_boot)
  trial_seconds=$p_boot_seconds
  require_bootable
  set_link "$roots/previous" "$previous"
  install_entries
  put_trial booting
  ask_for_one_boot
  stop_vms
  reboot_once
}

# Nothing that must not be cut runs on while the host goes down.
lock 4 host
lock 5 system
working
reboot_system
finish
