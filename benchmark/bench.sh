#!/usr/bin/env bash
# Measure this server beside others, or say what one instance of a model holds.
#
# usage: bench.sh [run [OPTION...]]
#        bench.sh tune MODEL [OPTION...]
#        bench.sh redraw FOLDER
#
#   run      our server, the pattern of the AWS samples, and the peers that can be installed, taking turns; half an hour
#   tune     one model: what it holds, and the numbers for autoscaling and batch transform; two minutes
#   redraw   tables and plots anew, from the results.json of a run
#
# Each has a --help. Makes .venv with the locked packages, and installs nginx and wrk where it may (root, apt).
# Linux only: memory and CPU time are read from /proc.
#
# examples:
#   benchmark/bench.sh run --quick
#   benchmark/bench.sh tune abalone --p99-ms 50

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../local_test/lib.sh"

main() {
  case "${1:-run}" in
    -h | --help) help_text "$0"; exit ;;
    run | tune | redraw) ;;
    *) wrong_usage "$0" "the verb is run, tune or redraw, not $1" ;;
  esac
  [[ -r /proc/self/smaps_rollup ]] || fail "memory cannot be measured: looked for /proc/self/smaps_rollup." \
    "Linux 4.14 or newer has it; on another system run this in a container or a virtual machine."
  ensure_nginx
  ensure_wrk
  ensure_packages "${ROOT}/container/requirements.txt"
  ensure_packages "${ROOT}/benchmark/requirements.txt"
  ensure_packages "${ROOT}/compiling/requirements.txt"
  if [[ "${1:-run}" == tune && -n "${2:-}" && "$2" != -* ]]; then
    local folder
    folder="$(model_folder "$2")"
    ensure_model_packages "${folder}"
    set -- tune "${folder}" "${@:3}"
  fi
  cd -- "${ROOT}"
  PATH="${VENV}/bin:${PATH}" exec "${VENV}/bin/python" -m benchmark "${@:-run}"
}

main "$@"
