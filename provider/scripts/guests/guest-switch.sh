# shellcheck shell=sh
# needs: lib
# Runs in a guest: activates a system, in the order of microvm.nix's deploy.sshSwitch, as a unit of its own, which
# survives a lost link. Sent again with the same p_operation it only waits. p_toplevel: the system; empty: the
# one before the last switch that was not confirmed. p_closure_info: its closureInfo, or empty. p_seconds: how long it
# may run. p_confirm_seconds: how long after that it may go unconfirmed; then the guest goes back by itself.
read_parameters
switch=$RUN/switches/$p_operation
unit=pulumi-microvm-switch-$p_operation.service
before=$RUN/system-before-switch
# guest-confirm.sh stops its timer.
ROLLBACK=pulumi-microvm-switch-rollback

# Both are files for the unit and its timer: in their commands systemd would put its own values in for `${`, and a line
# break would end up in their files in /run, which a switch has read anew.
activate=$RUN/switch-activate.sh
go_back=$RUN/switch-go-back.sh

# The guest's store is the hypervisor's: the paths are there, and its database does not know them yet.
# It may not know the system that the guest was started with either: a way back does without the profile then, which nothing
# boots from. $1..$3 are for the inner shell.
# shellcheck disable=SC2016
ACTIVATE='
  set -eu
  : >"$3/begun"
  [ -z "$2" ] || nix-store --load-db <"$2/registration"
  nix-env -p /nix/var/nix/profiles/system --set "$1" || [ -z "$2" ]
  code=0
  "$1/bin/switch-to-configuration" switch || code=$?
  printf "%s\n" "$code" >"$3/code.new"
  mv "$3/code.new" "$3/code"
'

# By the timer: nobody has confirmed. The switches go first, for they hold NixOS's lock. It is tried again until it succeeds.
# $1 is the system before, $2 the file that says so, $3 where the switches are, $4 the above, $5 NixOS's /run.
# shellcheck disable=SC2016
GO_BACK='
  set -eu
  [ -e "$2" ] || exit 0
  for switch in "$3"/*; do
    systemctl stop "pulumi-microvm-switch-${switch##*/}.service" 2>/dev/null || true
  done
  echo "nobody confirmed the switch; going back to $1"
  /bin/sh "$4" "$1" "" "$(dirname "$2")"
  [ "$(readlink -f "$5/current-system")" = "$1" ]
  rm -f "$2"
'

require_right_guest() {
  [ -x "$p_toplevel/bin/switch-to-configuration" ] ||
    fail operation "the guest does not see $p_toplevel: its store is not the hypervisor's"
  [ "$(cat "$p_toplevel/etc/hostname")" = "$(cat /etc/hostname)" ] ||
    fail operation "the guest is $(cat /etc/hostname), and the system is that of $(cat "$p_toplevel/etc/hostname")"
}

disarm() {
  systemctl stop "$ROLLBACK.timer" "$ROLLBACK.service" 2>/dev/null || true
  systemctl reset-failed "$ROLLBACK.timer" "$ROLLBACK.service" 2>/dev/null || true
}

start_timer() {
  systemd-run --quiet --collect --unit="$ROLLBACK" \
    --on-active="$((p_seconds + p_confirm_seconds))" --timer-property=AccuracySec=1s \
    --service-type=exec --property=SyslogIdentifier=pulumi-microvm \
    --property=Restart=on-failure --property=RestartSec=5 --setenv=PATH="$PATH" \
    /bin/sh "$go_back" "$(cat "$before")" "$before" "$RUN/switches" "$activate" "$SYSTEMS"
}

# Before anything is touched: the operator may be gone by the end of it. systemd lets go of a stopped unit's name
# only when it comes to it.
arm() {
  [ -e "$before" ] || return 0
  insist start_timer || fail operation "systemd did not start the timer of the way back: $said"
}

# A switch of before may still run: NixOS lets but one be made at a time.
begin_switch() {
  # The timer of the switch that failed goes on until the way back has succeeded.
  [ "$back" = yes ] || disarm
  for other in "$RUN"/switches/*; do
    [ -d "$other" ] || continue
    systemctl stop "pulumi-microvm-switch-${other##*/}.service" 2>/dev/null || true
  done
  if [ ! -e "$before" ] && [ -n "$p_closure_info" ]; then
    write_file "$before" 0600 "$(readlink -f "$SYSTEMS/current-system")"
  fi
  write_file "$activate" 0600 "$ACTIVATE"
  write_file "$go_back" 0600 "$GO_BACK"
  [ "$back" = yes ] || arm
  mkdir "$switch"
  systemd-run --quiet --collect --service-type=exec --unit="$unit" \
    --property=SyslogIdentifier=pulumi-microvm --property="RuntimeMaxSec=$p_seconds" --setenv=PATH="$PATH" \
    /bin/sh "$activate" "$p_toplevel" "$p_closure_info" "$switch" ||
    fail operation "systemd did not start the switch"
}

unit_ended() {
  ask systemctl is-active "$unit" || return 1
  case $answer in
    active | activating | deactivating | reloading) return 1 ;;
  esac
}

# Whoever made the directory, and whose link was lost since, may start the unit only now.
await_start() {
  attempts=0
  while [ ! -e "$switch/begun" ] && unit_ended && [ "$attempts" -lt 50 ]; do
    sleep 0.1
    attempts=$((attempts + 1))
  done
}

last_words() {
  journalctl -q -o cat -n 12 -u "$unit" 2>/dev/null | tr '\n' ' '
}

# switch-to-configuration's codes are those of NixOS.
report_switch() {
  code=$(cat "$switch/code" 2>/dev/null || true)
  case $code in
    0) return 0 ;;
    '') fail operation "the switch did not come to its end: $(last_words)" ;;
    4) why="units failed" ;;
    100) why="NixOS wants a restart for it" ;;
    *) why="it failed" ;;
  esac
  fail operation "switch-to-configuration ended with code $code ($why): $(last_words)"
}

if [ -n "$p_toplevel" ]; then back=no; else back=yes; fi
mkdir -p "$RUN/switches"
if [ ! -d "$switch" ]; then
  [ -n "$p_toplevel" ] || p_toplevel=$(cat "$before" 2>/dev/null) ||
    fail operation "the guest does not know what it ran before"
  require_right_guest
  begin_switch
fi
status "switching"
await_start
until unit_ended; do sleep 0.1; done
report_switch
if [ "$back" = yes ]; then
  disarm
  rm -f "$before"
fi
finish
