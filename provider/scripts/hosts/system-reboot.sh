# shellcheck shell=sh
# needs: begin system
# Boots a system once, on trial. The system that was booted last stays the default, so any further
# reboot brings it back. In the trial boot, the unit pulumi-microvm-boot-trial (boot-trial.sh)
# reboots the host unless the trial is confirmed.
# p_toplevel p_boot_seconds p_switch_seconds
# p_stop_order: VMs in the order in which they are stopped
# p_stack: the prefix of the URNs of this stack
require_bootable() {
  bootctl is-installed >/dev/null 2>&1 || fail operation \
    "cannot boot $p_toplevel once: systemd-boot is not installed on this host" \
    "Reboot the host yourself, and set rebootPolicy: never for it."
  [ -e "$p_toplevel/etc/systemd/system/pulumi-microvm-boot-trial.service" ] || fail input \
    "$p_toplevel has no unit pulumi-microvm-boot-trial, which rolls back an unconfirmed boot" \
    "Import nixosModules.virtualization, or set rebootPolicy: never for this host."
}

are_newest_generations() {
  generation_of "$previous"
  before=${generation:-0}
  generation_of "$new"
  [ "${generation:-0}" -eq "$((before + 1))" ] && [ "$(readlink -f "$PROFILES/system")" = "$new" ]
}

# The boot loader has entries only for the newest generations of the profile. So both systems become
# the two newest generations, and the previous system becomes the default.
install_entries() {
  if ! are_newest_generations; then
    set_profile "$previous"
    set_profile "$new"
  fi
  journal "installing $new for one boot; $previous stays the default"
  run_switch "$previous" boot
  [ "$code" = 0 ] || fail operation \
    "the boot loader's entries could not be installed: $(meaning "$code"): $(switch_lines)"
  loader_conf=$(bootctl --print-esp-path)/loader/loader.conf
  default=$(sed -n 's/^default nixos-generation-\([0-9]*\).*/\1/p' "$loader_conf")
  [ "$(readlink -f "$PROFILES/system-$default-link" || true)" = "$previous" ] || fail operation \
    "$previous did not become the default of the boot loader; the host was not rebooted" \
    "Set boot.loader.systemd-boot.configurationLimit to 2 or more."
}

# The host is not rebooted while VMs of other stacks run. The lock prevents the start of new ones.
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
    "$p_toplevel requires a reboot of the host, and VMs of other stacks run there:$others" \
    "Stop them in their site first, or set rebootPolicy: never for this hypervisor."
}

# Stops the VMs one after the other: first those in p_stop_order, then all others.
stop_vms() {
  # Names contain no white space.
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

request_one_boot() {
  generation_of "$new"
  journal "requesting one boot of generation $generation"
  bootctl set-oneshot "nixos-generation-$generation.conf" ||
    fail operation "bootctl set-oneshot failed for generation $generation"
}

# A timer reboots the host 2 s later, so that this operation can report its result first.
reboot_once() {
  journal "rebooting into $new"
  sync
  systemd-run --quiet --collect --unit="pulumi-microvm-reboot-$$" --on-active=2 systemctl reboot ||
    fail operation "systemd did not accept the reboot"
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
  request_one_boot
  stop_vms
  reboot_once
}

# The exclusive lock ensures that no other work runs while the host goes down.
lock 4 host
lock 5 system
working
reboot_system
finish
