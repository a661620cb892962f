#!/usr/bin/env bash
# Run every test that this machine can run, and name those it cannot, with the reason.
#
# usage: run.sh [PYTEST ARGUMENT...]
#
# Makes .venv with the locked packages, and installs nginx, docker-registry, wrk, prometheus and chromium where it may
# (root, apt).
# The tests of the image need a Docker engine that answers; `.ci/start_engine` and `.ci/base_image` provide one on Debian.
# The whole suite is run by two processes side by side, for most tests wait; what is named is run by one.
# REQUIRE_ALL=1 turns a test that would be skipped into a failure.
#
# examples:
#   tests/run.sh
#   tests/run.sh tests/unit --exitfirst

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../local_test/lib.sh"

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    *) ;;
  esac
  ensure_packages "${ROOT}/requirements-dev.txt"
  (ensure_nginx) || say "- going on without nginx: the tests that need it are skipped"
  (ensure_registry) || say "- going on without docker-registry: the tests that need it are skipped"
  (ensure_wrk) || say "- going on without wrk: the test that needs it is skipped"
  (ensure_prometheus) || say "- going on without prometheus: the test that needs it is skipped"
  (ensure_chromium) || say "- going on without chromium: the tests that need it are skipped"
  cd -- "${ROOT}"
  [[ "$#" -gt 0 ]] || set -- --numprocesses 2 --dist loadscope
  PATH="${VENV}/bin:${PATH}" exec "${VENV}/bin/python" -m pytest "$@"
}

main "$@"
