#!/bin/bash
# As in microvm.nix.
share=$(dirname "$(dirname "$(readlink -f "$0")")")/share/microvm
ip link delete "$(cat "$share/tap-interfaces")"
