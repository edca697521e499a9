# shellcheck shell=sh
# What a system of the lab starts: the bridge is up, and the host answers SSH. Scenarios make bad systems by other lines.
if ip link show br0 >/dev/null 2>&1; then ip link set br0 up; fi
systemctl start --no-block ssh.service
