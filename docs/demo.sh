#!/bin/sh
# The demonstration that `make demo` gives: fetch, port, look. Takes the porter command.
set -eu
porter=$1
into=vendor

step() { printf '\n$ %s\n' "$*"; "$@"; }

step "$porter" apply --target sdaa --into "$into"
step "$porter" status --into "$into"
step "$porter" diff --target sdaa --package mmcv --stat
step "$porter" diff --target sdaa --rule mmcv/roi-align-own-input --rule mmengine/dist-comm-device
step "$porter" explain --into "$into" mmcv/mmcv/ops/roi_align.py:91
printf '\nThe ported tree is in %s. The whole diff, page by page with its reasons:\n' "$into"
printf '  %s diff --target sdaa --html port.html\n' "$porter"
