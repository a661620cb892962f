#!/usr/bin/env bash
# Check SageMaker's container contract, clause by clause, on an image, a URL or a model folder.
#
# usage: check_contract.sh TARGET [OPTION...]
#
#   TARGET               a Docker image (anybody's), a model folder to serve on this machine, the URL of a running
#                        server, or a program that serves
#   --model FOLDER       the model to mount at /opt/ml/model, for an image that brings none; without it, and without
#                        a sample, models/abalone is mounted
#   --sample FILE        a request that the model answers with 200 (default: the model's own, in samples/)
#   --content-type TYPE  its media type (default: by its extension)
#   --profile PROFILE    check for real-time, serverless, batch, pipeline, marketplace or all (default: all); or quick:
#                        the few clauses that decide whether SageMaker takes and starts an image, in about 15 s
#   --docker-option OPTION  start each container with this option of `docker run` too, such as --read-only or
#                        --user=12345; may be repeated
#   --clause NUMBER      check this clause only, such as 1.28; may be repeated
#   --limit NAME=NUMBER  put another limit in place of SageMaker's, such as startup_seconds=60
#   --stream-sample FILE, --broken-stream-sample FILE, --slow-sample FILE, --session-sample FILE
#                        JSON requests that show what not every model does: an answer in parts; one that fails after
#                        the first part; one that takes 50 to 60 s; one that opens a session
#   --junit FILE         write the results as JUnit XML
#   --json FILE          write them as JSON
#
# The table goes to stdout, progress to stderr. Exit status: 0 if every required clause is kept, 1 if one is broken,
# 2 if the target cannot be checked. The clauses are explained in docs/contract.md.
#
# examples:
#   local_test/check_contract.sh models/abalone
#   local_test/check_contract.sh my-image --sample row.csv --content-type text/csv --profile serverless
#   local_test/check_contract.sh my-image --docker-option --read-only --docker-option --tmpfs=/tmp

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local target=''
  local -a options=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
      --junit | --model | --sample | --content-type | --profile | --clause | --json | --limit | --docker-option | --*-sample)
        [[ $# -gt 1 ]] || wrong_usage "$0" "$1 needs a value"
        require_sense "$0" "$1" "$2"
        options+=("$1=$2"); shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) [[ -z "${target}" ]] || wrong_usage "$0" "one target at a time, not ${target} and $1"
        target="$1"; shift ;;
    esac
  done
  [[ -n "${target}" ]] || wrong_usage "$0" "name a target"
  ensure_packages "${ROOT}/requirements-dev.txt"
  if [[ -d "${target}" ]]; then ensure_nginx; ensure_model_packages "${target}"; fi
  say "Checking ${target}:"
  # A proxy of the developer's does not lead to servers and containers of this machine.
  NO_PROXY="${NO_PROXY:-${no_proxy:-}},127.0.0.1,localhost,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
  export NO_PROXY no_proxy="${NO_PROXY}"
  # pytest runs the checks, but what they mean is told by the suite's own report.
  PATH="${VENV}/bin:${PATH}" exec "${VENV}/bin/python" -m pytest --rootdir "${ROOT}" --config-file "${ROOT}/pyproject.toml" \
    -p no:terminal -p no:cacheprovider --capture=no \
    --override-ini addopts=--import-mode=importlib --override-ini timeout=1200 \
    "${ROOT}/tests/contract" "--target=${target}" "${options[@]}"
}

# usage: require_sense SCRIPT OPTION VALUE — what would only be found out when everything has been checked
require_sense() {
  case "$2" in
    --profile)
      [[ "$3" =~ ^(real-time|serverless|batch|pipeline|marketplace|quick|all)$ ]] \
        || wrong_usage "$1" "--profile is real-time, serverless, batch, pipeline, marketplace, quick or all, not $3" ;;
    --*-sample) [[ -f "$3" ]] || wrong_usage "$1" "$2: no such file: $3" ;;
    --json | --junit) [[ -d "$(dirname -- "$3")" ]] || wrong_usage "$1" "$2: no such folder: $(dirname -- "$3")" ;;
    *) ;;
  esac
}

main "$@"
