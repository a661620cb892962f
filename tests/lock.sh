#!/usr/bin/env bash
# Compile the .in files into locked requirements: exact versions with hashes, the same for every Python from 3.11 on.
#
# usage: lock.sh [--upgrade]
#
#   --upgrade   take the newest versions that the .in files allow, rather than keeping the present ones

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../local_test/lib.sh"

main() {
  case "${1:-}" in
    '' | --upgrade) ;;
    -h | --help) help_text "$0"; exit ;;
    *) wrong_usage "$0" "unknown option $1" ;;
  esac
  ensure_packages "${ROOT}/requirements-dev.txt"
  cd -- "${ROOT}"
  compile container/requirements "$@"
  compile deploy/requirements "$@"
  compile compiling/requirements "$@"
  compile benchmark/requirements "$@"
  compile requirements-dev "$@"
  compile tests/endpoint/awscli/requirements "$@"
  compile tests/localmode/requirements "$@"
}

# usage: compile STEM [--upgrade] — STEM.in to STEM.txt; the index's address is never written down
compile() {
  local stem="$1"
  shift
  say "- ${stem}.txt"
  "${VENV}/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --custom-compile-command "make lock" "$@" "${stem}.in" --output-file "${stem}.txt"
}

main "$@"
