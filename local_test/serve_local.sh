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
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

IMAGE="${IMAGE:-sagemaker-byoc}"
SERVER='' # the pid of what we started

main() {
  local model=abalone port=8080 engine=''
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --engine) engine="${2:?--engine needs docker or host}"; shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) model="$1"; shift ;;
    esac
  done
  local folder
  folder="$(model_folder "${model}")"
  require_port "${port}" "$0"
  require_curl
  # Or the other server's answers would be taken for this one's.
  ! is_taken "${port}" || fail "port ${port} is taken." "Stop what listens there, or choose another: --port N, or make serve PORT=N"
  trap end_server EXIT
  case "${engine:-$(default_engine)}" in
    docker) start_in_docker "${folder}" "${port}" ;;
    host) start_on_host "${folder}" "${port}" ;;
    *) wrong_usage "$0" "--engine is docker or host, not ${engine}" ;;
  esac
  trap stop INT TERM
  wait_until_ready "${port}"
  show_one_answer "${folder}" "${port}"
  wait_for_server
}

default_engine() {
  if engine_answers; then echo docker; else echo host; fi
}

# usage: start_on_host FOLDER PORT
start_on_host() {
  say "Serving $1 on this machine."
  ensure_nginx
  ensure_packages "${ROOT}/container/requirements.txt"
  ensure_model_packages "$1"
  say "- starting nginx, gunicorn and the model"
  SM_MODEL_DIR="$1" SAGEMAKER_BIND_TO_PORT="$2" PATH="${VENV}/bin:${PATH}" \
    "${VENV}/bin/python" "${ROOT}/container/code/serve" &
  SERVER=$!
}

# usage: start_in_docker FOLDER PORT
start_in_docker() {
  say "Serving $1 in Docker."
  local -a build=(docker build --file "${ROOT}/container/Dockerfile" --tag "${IMAGE}") variables=()
  # Packages of the model's own have to be in the image: nothing is installed when a container starts.
  if [[ -f "$1/code/requirements.txt" ]]; then
    [[ "$1" == "${ROOT}/models/"* ]] || fail "a model with a code/requirements.txt must lie in models/ to be built in."
    build+=(--build-arg "MODEL=${1#"${ROOT}/models/"}")
  fi
  run_quietly "building the image ${IMAGE} (minutes the first time, seconds after that)" "${build[@]}" "${ROOT}"
  local name
  while read -r name; do variables+=(--env "${name}"); done < <(compgen -e | grep -E '^(SAGEMAKER|MODEL_SERVER|SERVING)_' || true)
  say "- starting the container"
  docker run --rm --publish "127.0.0.1:$2:8080" --volume "$1:/opt/ml/model:ro" \
    "${variables[@]}" --env SAGEMAKER_BIND_TO_PORT=8080 "${IMAGE}" serve &
  SERVER=$!
}

# usage: wait_until_ready PORT
wait_until_ready() {
  local began="${SECONDS}"
  until curl --silent --fail --noproxy localhost --output /dev/null "http://localhost:$1/ping"; do
    # The server has said why; adding to it would only hide it.
    kill -0 "${SERVER}" 2>/dev/null || wait_for_server
    sleep 0.2
  done
  say
  say "Ready after $((SECONDS - began)) s: http://localhost:$1 answers. Ctrl-C stops it."
}

# usage: show_one_answer FOLDER PORT
show_one_answer() {
  local sample command answer
  sample="$(first_sample "$1" 2>/dev/null)" || return 0
  local -a predict=("${ROOT}/local_test/predict.sh" "$1" --port "$2" --sample "${sample}")
  command="$("${predict[@]}" --show)"
  if ! answer="$("${predict[@]}")"; then
    say "The sample ${sample} was not answered; the server goes on."
    return
  fi
  # In one piece, for the server's log goes to the same terminal.
  say $'Try it from another terminal:\n\n'"  ${command}"$'\n'"  ${answer:0:300}"$'\n'
}

stop() {
  trap '' INT TERM
  say "Stopping."
  kill -TERM "${SERVER}" 2>/dev/null || true
  wait_for_server
}

# However this script ends, the server ends with it.
end_server() {
  if [[ -n "${SERVER}" ]]; then kill -TERM "${SERVER}" 2>/dev/null || true; fi
}

# Ends this script with the server's own status.
wait_for_server() {
  local status=0
  wait "${SERVER}" || status=$?
  exit "${status}"
}

main "$@"
