# shellcheck shell=sh
# Main of the probe: everything there is to know, once.
read_parameters
probe
finish
