# shellcheck shell=sh
# needs: lib
# Finds the VMM of a running VM and its control socket in the arguments of the VMM's process. They
# describe the running VM, also if another runner was installed after its start.

# vm_is_stopped NAME: true if the VM has no process, also none that is starting or stopping.
vm_is_stopped() {
  ask_state "microvm@$1.service"
  case $unit_state in
    inactive | failed) return 0 ;;
  esac
  return 1
}

vmm_words() {
  tr '\0' '\n' <"/proc/$vmm_pid/cmdline" 2>/dev/null || true
}

# vmm_words_behind OPTION: prints the word after the option.
vmm_words_behind() {
  vmm_words | sed -n "/^$1\$/{n;p;}"
}

# find_vmm NAME: sets vmm to qemu, cloud-hypervisor or nothing, and vmm_pid and vmm_socket.
find_vmm() {
  vmm=
  vmm_socket=
  require_answer systemctl show --property=MainPID --value "microvm@$1.service"
  vmm_pid=$answer
  [ "${vmm_pid:-0}" != 0 ] || return 0
  case $(vmm_words_behind -qmp) in
    unix:*)
      vmm=qemu
      vmm_socket=$(vmm_words_behind -qmp | sed -n '1s/^unix:\([^,]*\).*/\1/p')
      ;;
    *)
      vmm_socket=$(vmm_words_behind --api-socket | sed -n '1s/^path=//;1p')
      [ -z "$vmm_socket" ] || vmm=cloud-hypervisor
      ;;
  esac
  case $vmm_socket in
    '' | /*) ;;
    *) vmm_socket=/proc/$vmm_pid/cwd/$vmm_socket ;;
  esac
}

# await_vmm NAME: waits until the VMM listens. Shortly after a start it does not listen yet, and the
# socket file may be a leftover of an earlier VMM.
await_vmm() {
  attempts=0
  while [ "$attempts" -lt 100 ]; do
    find_vmm "$1"
    if [ -n "$vmm" ] && nc -z -U "$vmm_socket" 2>/dev/null; then return 0; fi
    sleep 0.1
    attempts=$((attempts + 1))
  done
  return 1
}

# qmp COMMAND: sends one command to QEMU. COMMAND is JSON without its last brace. Keeps the
# connection open until QEMU answers, because QEMU drops pending commands when the connection
# closes. On an error sets `qmp_error` and returns false.
qmp() {
  answers=$(mktemp)
  # The file is read while nc writes to it.
  # shellcheck disable=SC2094
  {
    printf '%s\n' '{"execute":"qmp_capabilities"}' "$1,\"id\":\"pulumi-microvm\"}"
    attempts=0
    until grep -Eq '"id": *"pulumi-microvm"' "$answers" || [ "$attempts" -ge 100 ]; do
      sleep 0.1
      attempts=$((attempts + 1))
    done
  } | timeout 30 nc -N -U "$vmm_socket" >"$answers" 2>&1 || true
  answer=$(grep -E '"id": *"pulumi-microvm"' "$answers" || true)
  case $answer in
    *'"return"'*) qmp_error= ;;
    *'"error"'*) qmp_error=$(printf '%s\n' "$answer" | sed -n 's/.*"desc": *"\([^"]*\)".*/\1/p') ;;
    *) qmp_error="no answer: $(tail -n 1 "$answers")" ;;
  esac
  rm -f "$answers"
  [ -z "$qmp_error" ]
}

# qemu_drive IMAGE: prints the id of the drive that has this image.
qemu_drive() {
  wanted=$(readlink -m "$1")
  vmm_words_behind -drive | while IFS= read -r drive; do
    file=$(printf '%s\n' "$drive" | sed -n 's/^\(.*,\)\{0,1\}file=\([^,]*\).*/\2/p')
    case $file in
      '') continue ;;
      /*) ;;
      *) file=/proc/$vmm_pid/cwd/$file ;;
    esac
    if [ "$(readlink -m "$file")" = "$wanted" ]; then
      printf '%s\n' "$drive" | sed -n 's/^\(.*,\)\{0,1\}id=\([^,]*\).*/\2/p'
      break
    fi
  done
}
