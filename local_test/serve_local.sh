#!/usr/bin/env bash
# Run a model folder as SageMaker would: in Docker where an engine answers, else on this machine.
#
# usage: serve_local.sh [MODEL] [--port N] [--engine docker|host]
#
#   MODEL            a folder of models/, or a path (default: abalone)
#   --port N         where to listen (default: 8080)
#   --engine docker  build the image and run it, with the model mounted read-only at /opt/ml/model
#   --engine host    run the same program here, in the virtual environment .venv; as root on Debian or Ubuntu
#                    it installs nginx if that is missing
#
# When the server is ready a sample is sent to it, and the server goes on until Ctrl-C (or SIGTERM).
# SAGEMAKER_*, MODEL_SERVER_* and SERVING_* variables are passed on: see docs/settings.md.
#
# examples:
#   local_test/serve_local.sh
#   SAGEMAKER_MODEL_SERVER_WORKERS=1 local_test/serve_local.sh abalone_predictor --port 9000 --engine host

set -euo pipefail
# shellcheck source=local_test/servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/servers.sh"

main() {
  local model=abalone port=8080 engine='' folder began
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --engine) engine="${2:?--engine needs docker or host}"; shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) model="$1"; shift ;;
    esac
  done
  folder="$(model_folder "${model}")"
  require_port "${port}" "$0"
  require_curl
  engine="${engine:-$(default_engine)}"
  require_engine "${engine}" "$0"
  require_free "${port}" "--port N, or make serve PORT=N"
  trap end_servers EXIT
  if [[ "${engine}" == docker ]]; then
    start_in_docker "${folder}" --publish "127.0.0.1:${port}:8080" --env SAGEMAKER_BIND_TO_PORT=8080
  else
    start_on_host "${folder}" SAGEMAKER_BIND_TO_PORT="${port}"
  fi
  trap stop INT TERM
  began="${SECONDS}"
  wait_until_ready "${port}" "${SERVERS[0]}"
  say
  say "Ready after $((SECONDS - began)) s: http://localhost:${port} answers. Ctrl-C stops it."
  show_one_answer "${folder}" --port "${port}"
  wait_for_servers
}

main "$@"
