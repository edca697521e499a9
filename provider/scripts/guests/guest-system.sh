# shellcheck shell=sh
# needs: guest begin switch rollback
# Shared by a live switch and its confirmation. All state is in /run, so it ends with a VM's
# restart.

# The system for the rollback. Exists from before a switch until its confirmation or rollback.
before=$RUN/system-before-switch
# The system whose switch has finished. Without it, the running system may be partly activated.
switched=$RUN/switched-to
# The system that the last rollback activated.
went_back=$RUN/switch-went-back
rollback=$RUN/guest-rollback
# The timers of the rollback. There are two, so that one is armed while the other is restarted.
ROLLBACK=pulumi-microvm-guest-rollback
UNCONFIRMED=pulumi-microvm-guest-unconfirmed

disarm() {
  stop_timer "$UNCONFIRMED"
  stop_timer "$ROLLBACK"
}
