# shellcheck shell=sh
# needs: lib
# The main script of a probe: everything there is to know, once.
read_parameters
probe
finish
