#!/bin/bash
# Imitates nixpkgs' closureInfo: writes ./registration for `nix-store --load-db`, and ./store-paths.
# The graph is in .attrs.json as [{"closureSize":N,"narHash":H,"narSize":N,"path":P,
# "references":[...]}, ...]. Nix writes it without spaces and with sorted keys, so awk can parse it.
set -eu
# shellcheck disable=SC1091
. ./.attrs.sh
# shellcheck disable=SC2154 # from .attrs.sh
out=${outputs[out]}
mkdir -p "$out"

awk -v directory="$out" '
  function text(record, key) {
    if (!match(record, "\"" key "\":\"[^\"]*\"")) exit 1
    return substr(record, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
  }
  function number(record, key) {
    if (!match(record, "\"" key "\":[0-9]+")) exit 1
    return substr(record, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
  }
  BEGIN { RS = "{\"closureSize\":" }
  NR > 1 {
    path = text($0, "path")
    match($0, /"references":\[[^\]]*\]/)
    list = substr($0, RSTART + 14, RLENGTH - 15)
    gsub(/"/, "", list)
    count = split(list, references, ",")
    registration = directory "/registration"
    print path > registration
    print text($0, "narHash") > registration
    print number($0, "narSize") > registration
    print "" > registration
    print count > registration
    for (i = 1; i <= count; i++) print references[i] > registration
    print path > (directory "/store-paths")
  }
' .attrs.json
test -s "$out/registration"
