#!/usr/bin/env bash
# Serve a model with a web page in front of it: page, HTTP API, Lambda function, runtime endpoint and container, all here.
#
# usage: serve_page.sh [MODEL] [--port N] [--settings FILE] [--engine docker|host]
#
#   MODEL            a folder of models/ that takes text/plain, or a path (default: movie_sentiment)
#   --port N         where the page is; its API, the runtime and the container have the three ports after it
#                    (default: 8000)
#   --settings FILE  the limits of an API, a file of deploy/apis (default: those that a new one has)
#   --engine docker  build the image and run it; host: run the same program on this machine
#
# The page is at http://localhost:N, the API at http://localhost:N+1/demo. They go on until Ctrl-C (or SIGTERM).
# If one of them ends, all do.
#
# examples:
#   local_test/serve_page.sh
#   local_test/serve_page.sh movie_sentiment --port 9000 --engine host

set -euo pipefail
# shellcheck source=local_test/servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/servers.sh"

main() {
  local model=movie_sentiment port=8000 engine='' folder name one
  local -a settings=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --settings)
        [[ -f "${2:?--settings needs a file}" ]] || fail "no such file: $2" "--settings names a file of deploy/apis."
        settings=(--settings "$2")
        shift 2
        ;;
      --engine) engine="${2:?--engine needs docker or host}"; shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) model="$1"; shift ;;
    esac
  done
  folder="$(model_folder "${model}")"
  name="$(basename -- "${folder}")"
  name="${name//_/-}" # in SageMaker a name has no underscores
  require_name "${name}" "$0" "the folder's name"
  require_port "${port}" "$0"
  require_port "$((port + 3))" "$0" "the last of the four ports"
  require_curl
  engine="${engine:-$(default_engine)}"
  require_engine "${engine}" "$0"
  for one in 0 1 2 3; do require_free "$((port + one))" "--port N, or make page PORT=N; four in a row are needed"; done
  ensure_packages "${ROOT}/requirements-dev.txt"

  trap end_servers EXIT
  start_model "${engine}" "${folder}" "$((port + 3))"
  trap stop INT TERM
  wait_until_ready "$((port + 3))" "${SERVERS[0]}"
  start endpoint.py "$((port + 2))" --port "$((port + 2))" "${name}=$((port + 3))"
  start page.py "${port}" --port "${port}" --api-port "$((port + 1))" --endpoint "${name}" \
    --runtime "http://localhost:$((port + 2))" "${settings[@]}"
  say
  say "Ready: http://localhost:${port} is the page, http://localhost:$((port + 1))/demo its API. Ctrl-C stops them all."
  wait_for_servers
}

# usage: start_model ENGINE FOLDER PORT
start_model() {
  if [[ "$1" == docker ]]; then
    start_in_docker "$2" --publish "127.0.0.1:$3:8080" --env SAGEMAKER_BIND_TO_PORT=8080
  else
    start_on_host "$2" SAGEMAKER_BIND_TO_PORT="$3"
  fi
}

# usage: start PROGRAM PORT ARGUMENT... — a program of this folder, until it listens
start() {
  # Everything that it asks is on this machine, where a proxy would not find it.
  local here="localhost,127.0.0.1,${no_proxy:-${NO_PROXY:-}}"
  no_proxy="${here%,}" NO_PROXY="${here%,}" PYTHONPATH="${ROOT}" "${VENV}/bin/python" "${ROOT}/local_test/$1" "${@:3}" &
  SERVERS+=("$!")
  until is_taken "$2"; do
    all_run || wait_for_servers
    sleep 0.2
  done
}

main "$@"
