#!/usr/bin/env bash
# Lint and type-check everything, and ask whether a package of the image is known to be vulnerable:
# ruff, mypy, shellcheck, pip-audit.
#
# usage: check.sh
#
# A known vulnerability fails; tests/accepted_vulnerabilities.toml is for those that may stay, with a reason and a date.
# Where no service can be asked, nothing fails: the packages that were not looked at are named.
#
# Makes .venv with the locked packages, and installs shellcheck where it may (root, apt).

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../local_test/lib.sh"

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    *) ;;
  esac
  ensure_packages "${ROOT}/requirements-dev.txt"
  command -v shellcheck >/dev/null 2>&1 || (ensure_debian_packages shellcheck) \
    || fail "shellcheck is not installed, and only root can install it with apt." \
      "Debian, Ubuntu: sudo apt-get install shellcheck"
  cd -- "${ROOT}"
  local -a scripts
  mapfile -t scripts < <(shell_scripts)
  say "- ruff"
  "${VENV}/bin/ruff" check .
  "${VENV}/bin/ruff" format --check .
  say "- mypy"
  "${VENV}/bin/mypy"
  say "- shellcheck"
  shellcheck "${scripts[@]}"
  say "- pip-audit, on container/requirements.txt"
  "${VENV}/bin/python" tests/audit.py
  say "All clean."
}

# Prints the shell scripts: by their first line, or by their name.
shell_scripts() {
  git ls-files --cached --others --exclude-standard -- '*.sh'
  git ls-files --cached --others --exclude-standard -- .ci container/code | xargs grep -lE '^#!.*\b(ba)?sh$'
}

main "$@"
