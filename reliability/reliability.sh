#!/usr/bin/env bash
# Try what is promised of this server: under overload, with workers killed, stopped, for long, and scraped.
#
# usage: reliability.sh PROGRAM [OPTION...]
#        reliability.sh all [FOLDER]
#
#   overload   ten times more than the model can do; one minute
#   kills      kill -9 of workers at random, while requests never cease; three minutes
#   terms      SIGTERM while requests never cease, fifty times; five minutes
#   soak       mixed load, with a kill now and then; an hour
#   scrape     a real Prometheus scrapes /metrics; half a minute
#   all        each of them at full length, and the peers under overload; an hour and a half. A page of each, the results
#              and the plots go to FOLDER, or else to reliability/results/DATE, with all promises in table.md
#
# Each has a --help, prints a page on stdout, and ends with 0 if every promise was kept, 1 if one was broken, 2 if it
# could not be tried. Makes .venv with the locked packages, and installs nginx and prometheus where it may (root, apt).
# Linux only: processes and their memory are read from /proc.
#
# examples:
#   reliability/reliability.sh kills --kills 10
#   reliability/reliability.sh overload --against fastapi --plot overload.png

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../local_test/lib.sh"

PROGRAMS=(overload kills terms soak scrape)

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    all | overload | kills | terms | soak | scrape) ;;
    *) wrong_usage "$0" "the program is one of ${PROGRAMS[*]}, or all, not ${1:-nothing}" ;;
  esac
  [[ -r /proc/self/smaps_rollup ]] || fail "processes cannot be watched: looked for /proc/self/smaps_rollup." \
    "Linux 4.14 or newer has it; on another system run this in a container or a virtual machine."
  ensure_nginx
  ensure_packages "${ROOT}/container/requirements.txt"
  ensure_packages "${ROOT}/benchmark/requirements.txt"
  cd -- "${ROOT}"
  PATH="${VENV}/bin:${PATH}"
  if [[ "$1" == all ]]; then
    try_all "${2:-reliability/results/$(date --utc +%Y-%m-%dT%H%M)}"
  else
    [[ "$1" != scrape ]] || ensure_prometheus
    exec python -m "reliability.$1" "${@:2}"
  fi
}

# usage: try_all FOLDER — a page, the results and the plots of each; fails in the end if one has failed
try_all() {
  local into="$1" program failed=()
  local -A options=(
    [overload]="--seconds 300 --plot ${into}/overload.png"
    [soak]="--plot ${into}/soak.png"
  )
  ensure_prometheus
  mkdir -p -- "${into}"
  for program in "${PROGRAMS[@]}"; do
    # shellcheck disable=SC2086  # several words
    try_one "${program}" "${into}/${program}" ${options[${program}]:-} || failed+=("${program}")
  done
  try_one overload "${into}/overload-against" --against --plot "${into}/overload-against.png" \
    || failed+=("overload --against")
  python -m reliability.summary "${into}" >"${into}/table.md" || true  # what is broken has been noticed above
  say "All of it is in ${into}."
  [[ "${#failed[@]}" -eq 0 ]] || fail "a promise was broken, or could not be tried: ${failed[*]}"
}

# usage: try_one PROGRAM RESULTS [OPTION...]
try_one() {
  local status=0
  say "${1}:"
  python -m "reliability.$1" --json "$2.json" "${@:3}" >"$2.md" || status="$?"
  cat -- "$2.md"
  return "${status}"
}

main "$@"
