#!/bin/sh
# The demonstration that `make demo` gives: fetch, port, look, prove. Takes the porter command.
# Ten steps are enough for every check of a verification but those of AMP.
set -eu
porter=$1
into=vendor
report=porter-report/sdaa-reppoints

step() { printf '\n$ %s\n' "$*"; "$@"; }

step "$porter" apply --target sdaa --into "$into"
step "$porter" status --into "$into"
step "$porter" diff --target sdaa --package mmcv --stat
step "$porter" diff --target sdaa --rule mmcv/roi-align-own-input --rule mmengine/dist-comm-device
step "$porter" explain --into "$into" mmcv/mmcv/ops/roi_align.py:91
printf '\nDoes the port train? RepPoints, ten steps: upstream twice on the CPU, the ported tree on a\n'
printf 'simulated SDAA. What has to be compiled is compiled once, in a minute or two on two cores.\n'
step "$porter" verify reppoints --into "$into" --steps 10 --report "$report"
printf '\nThe ported tree is in %s, and the verdict with its plots in %s/report.html.\n' "$into" "$report"
printf 'More: %s verify centernet --nproc 3; %s diff --target sdaa --html port.html\n' "$porter" "$porter"
