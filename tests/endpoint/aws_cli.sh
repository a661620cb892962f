#!/usr/bin/env bash
# Print the path of an AWS CLI. It lives in .cache/awscli, and is installed there when it is not yet, in about 10 s.
#
# usage: aws_cli.sh

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../local_test/lib.sh"

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    *) ;;
  esac
  # ensure_packages installs into VENV; this one must not share ours, for it pins another botocore.
  VENV="${ROOT}/.cache/awscli"
  ensure_packages "${ROOT}/tests/endpoint/awscli/requirements.txt"
  printf '%s\n' "${VENV}/bin/aws"
}

main "$@"
