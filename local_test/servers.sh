# Starts model servers, on this machine or in Docker, and ends them; sourced, never run. Brings lib.sh.
# shellcheck shell=bash
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

IMAGE="${IMAGE:-sagemaker-byoc}"
SERVERS=() # the pids of what was started
ARE_TOLD='' # that they are to end

default_engine() {
  if engine_answers; then echo docker; else echo host; fi
}

# usage: require_engine ENGINE SCRIPT
require_engine() {
  [[ "$1" == docker || "$1" == host ]] || wrong_usage "$2" "--engine is docker or host, not $1"
}

# usage: require_name NAME SCRIPT WHAT — an endpoint's, as endpoint.py takes them
require_name() {
  local LC_ALL=C
  [[ "$1" =~ ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$ ]] || wrong_usage "$2" \
    "$3 $1 cannot name an endpoint: SageMaker takes up to 63 letters, digits and hyphens, and no hyphen at either end"
}

# usage: require_free PORT HINT — or the other server's answers would be taken for this one's
require_free() {
  ! is_taken "$1" || fail "port $1 is taken." "Stop what listens there, or choose another: $2"
}

# usage: start_on_host FOLDER VARIABLE=VALUE...
start_on_host() {
  say "Serving $1 on this machine."
  ensure_nginx
  ensure_packages "${ROOT}/container/requirements.txt"
  ensure_model_packages "$1"
  say "- starting nginx, gunicorn and the model"
  env PATH="${VENV}/bin:${PATH}" SM_MODEL_DIR="$1" "${@:2}" "${VENV}/bin/python" "${ROOT}/container/code/serve" &
  SERVERS+=("$!")
}

# usage: start_in_docker FOLDER DOCKER_OPTION...
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
  docker run --rm --volume "$1:/opt/ml/model:ro" "${variables[@]}" "${@:2}" "${IMAGE}" serve &
  SERVERS+=("$!")
}

# usage: wait_until_ready PORT SERVER
wait_until_ready() {
  until curl --silent --fail --noproxy localhost --output /dev/null "http://localhost:$1/ping"; do
    # The server has said why; adding to it would only hide it.
    kill -0 "$2" 2>/dev/null || wait_for_servers
    sleep 0.2
  done
}

# usage: show_one_answer FOLDER PREDICT_OPTION...
show_one_answer() {
  local sample command answer
  sample="$(first_sample "$1" 2>/dev/null)" || return 0
  local -a predict=("${ROOT}/local_test/predict.sh" "$1" --sample "${sample}" "${@:2}")
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
  end_servers
  wait_for_servers
}

# However a script ends, its servers end with it. They are told once: Docker's client takes no third signal.
end_servers() {
  local server
  [[ -z "${ARE_TOLD}" ]] || return 0
  ARE_TOLD=yes
  for server in "${SERVERS[@]}"; do kill -TERM "${server}" 2>/dev/null || true; done
}

# Waits until one server ends, ends the others, and ends this script with the first status that is a failure's.
wait_for_servers() {
  local server one status=0
  if all_run; then wait -n "${SERVERS[@]}" || status=$?; fi
  end_servers
  for server in "${SERVERS[@]}"; do
    one=0
    wait "${server}" || one=$?
    [[ "${status}" -ne 0 ]] || status="${one}"
  done
  exit "${status}"
}

all_run() {
  local server
  for server in "${SERVERS[@]}"; do kill -0 "${server}" 2>/dev/null || return 1; done
}
