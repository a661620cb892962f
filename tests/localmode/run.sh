#!/usr/bin/env bash
# Let SageMaker's own client serve the image: the local mode of its Python SDK, with an endpoint and transform jobs.
#
# usage: run.sh [PYTEST ARGUMENT...]
#
# Makes .cache/localmode with the locked SDK (450 MB, about half a minute), and installs what the SDK calls, Docker
# Compose and pgrep, where it may (root, apt). The image is built. Nothing of AWS is asked or needed: the
# credentials are made up. Where something is missing that cannot be brought, the exit status is 77.
#
# examples:
#   tests/localmode/run.sh
#   tests/localmode/run.sh -k endpoint --exitfirst

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../local_test/lib.sh"
VENV="${ROOT}/.cache/localmode"

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    *) ;;
  esac
  engine_answers || lack "no Docker engine answers." \
    "As root on Debian, \`.ci/start_engine && .ci/base_image\` provides one."
  ensure_tools || lack "the SDK needs Docker Compose and pgrep, and only root can install them with apt." \
    "Debian, Ubuntu: sudo apt-get install docker-compose procps" \
    "elsewhere: https://docs.docker.com/compose/install/"
  ensure_packages "${ROOT}/tests/localmode/requirements.txt"
  cd -- "${ROOT}"
  invent_credentials
  exec "${VENV}/bin/python" -m pytest --override-ini "cache_dir=${VENV}/.pytest_cache" tests/localmode/client "$@"
}

# usage: lack MESSAGE [LINE...] — ends the script with 77, by which a test tells what is missing from what is wrong
lack() {
  (fail "$@") || exit 77
}

ensure_tools() {
  local -a missing=()
  has_compose || missing+=(docker-compose)
  command -v pgrep >/dev/null || missing+=(procps)
  [[ "${#missing[@]}" -eq 0 ]] || (ensure_debian_packages "${missing[@]}")
}

has_compose() {
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null
}

# The SDK hands the credentials that it finds to the container. It is not to find the developer's.
invent_credentials() {
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN
  export AWS_ACCESS_KEY_ID=invented AWS_SECRET_ACCESS_KEY=invented AWS_DEFAULT_REGION=us-east-1
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
}

main "$@"
