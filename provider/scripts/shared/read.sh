# shellcheck shell=sh
# needs: lib
# The main script of a probe: prints all facts once.
read_parameters
probe
finish
