# shellcheck shell=sh
# needs: guest begin switch
# What a live switch and its confirmation share. All of it is in /run: a restart of the VM ends it.

# The system to go back to: there from before a switch until its confirmation or its rollback.
before=$RUN/system-before-switch
# The system whose switch came to its end. Without it, a system that runs may be half activated.
switched=$RUN/switched-to
# The system that the last rollback activated.
went_back=$RUN/switch-went-back
rollback=$RUN/guest-rollback
# The timers of the rollback. Two, so that one is armed while the other one is set anew.
ROLLBACK=pulumi-microvm-guest-rollback
UNCONFIRMED=pulumi-microvm-guest-unconfirmed

disarm() {
  disarm_one "$UNCONFIRMED"
  disarm_one "$ROLLBACK"
}

# The service may be waiting for this operation's lock.
disarm_one() {
  systemctl stop "$1.timer" "$1.service" 2>/dev/null || true
  systemctl reset-failed "$1.timer" "$1.service" 2>/dev/null || true
}
