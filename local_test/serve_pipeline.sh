#!/usr/bin/env bash
# Run model folders one after the other as SageMaker's serial inference does, behind one local endpoint.
#
# usage: serve_pipeline.sh [MODEL...] [--port N] [--name NAME] [--endpoint-port N] [--engine docker|host]
#
#   MODEL...           two folders of models/ or more, or paths (default: abalone_featurizer abalone_predictor)
#   --port N           where the first one listens; each further one has the port after that (default: 8080)
#   --name NAME        the endpoint's name (default: pipeline)
#   --endpoint-port N  where the endpoint listens (default: 8090)
#   --engine docker    build the image and run it for each model; the containers share one network address
#   --engine host      run the same program here for each model, in the virtual environment .venv
#
# Each container is told its port with SAGEMAKER_BIND_TO_PORT and further ones with SAGEMAKER_SAFE_PORT_RANGE.
# A request to the endpoint passes them all: each is given the answer of the one before.
# When all are ready a sample of the first is sent through, and they go on until Ctrl-C (or SIGTERM).
# If one of them ends, all do. Each line of a container's log begins with the container's number and model.
# SAGEMAKER_*, MODEL_SERVER_* and SERVING_* variables are passed on to all of them: see docs/settings.md.
#
# examples:
#   local_test/serve_pipeline.sh
#   local_test/serve_pipeline.sh abalone_featurizer abalone_predictor --port 9000 --name rings --engine host

set -euo pipefail
# shellcheck source=local_test/servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/servers.sh"

MOST_MODELS=15 # in a pipeline, on SageMaker
FIRST_SAFE_PORT=20000
SAFE_PORTS=100 # for each container

main() {
  local name=pipeline port=8080 endpoint_port=8090 engine='' model began
  local -a models=() folders=() ports=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --name) name="${2:?--name needs a name}"; shift 2 ;;
      --endpoint-port) endpoint_port="${2:?--endpoint-port needs a number}"; shift 2 ;;
      --engine) engine="${2:?--engine needs docker or host}"; shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) models+=("$1"); shift ;;
    esac
  done
  [[ "${#models[@]}" -gt 0 ]] || models=(abalone_featurizer abalone_predictor)
  [[ "${#models[@]}" -ge 2 && "${#models[@]}" -le "${MOST_MODELS}" ]] \
    || wrong_usage "$0" "a pipeline has 2 to ${MOST_MODELS} models, not ${#models[@]}"
  require_name "${name}" "$0" --name
  for model in "${models[@]}"; do folders+=("$(model_folder "${model}")"); done
  engine="${engine:-$(default_engine)}"
  require_engine "${engine}" "$0"
  require_curl
  choose_ports "${port}" "${endpoint_port}" "${#models[@]}"
  ensure_packages "${ROOT}/container/requirements.txt"

  trap end_servers EXIT
  start_containers "${engine}"
  trap stop INT TERM
  began="${SECONDS}"
  wait_for_containers
  start_endpoint "${name}" "${endpoint_port}"
  say
  say "Ready after $((SECONDS - began)) s: a request to ${name} passes ${models[*]}. Ctrl-C stops them all."
  show_one_answer "${folders[0]}" --port "${endpoint_port}" --endpoint "${name}"
  wait_for_servers
}

# usage: choose_ports FIRST ENDPOINT COUNT — sets `ports`, which main declares, once all of them are free
choose_ports() {
  local port
  require_port "$1" "$0"
  require_port "$2" "$0" --endpoint-port
  require_port "$(($1 + $3 - 1))" "$0" "the last container's port"
  for ((port = $1; port < $1 + $3; port++)); do
    ((port != $2)) || wrong_usage "$0" "port ${port} is wanted for a container and for the endpoint"
    require_free "${port}" "--port N, or make pipeline PORT=N"
    ports+=("${port}")
  done
  require_free "$2" "--endpoint-port N"
}

# usage: start_containers ENGINE
start_containers() {
  local index port label name="sagemaker-pipeline-$$" safe
  local -a variables publish=()
  # The first container's address is that of all.
  for port in "${ports[@]}"; do publish+=(--publish "127.0.0.1:${port}:${port}"); done
  for index in "${!folders[@]}"; do
    safe=$((FIRST_SAFE_PORT + index * SAFE_PORTS))
    variables=("SAGEMAKER_BIND_TO_PORT=${ports[index]}" "SAGEMAKER_SAFE_PORT_RANGE=${safe}-$((safe + SAFE_PORTS - 1))")
    label="container-$((index + 1)) $(basename -- "${folders[index]}")"
    if [[ "$1" == host ]]; then
      start_on_host "${folders[index]}" "${variables[@]}" > >(labelled "${label}") 2>&1
    elif [[ "${index}" -eq 0 ]]; then
      start_in_docker "${folders[index]}" --name "${name}-1" "${publish[@]}" \
        "${variables[@]/#/--env=}" > >(labelled "${label}") 2>&1
      wait_until_started "${name}-1"
    else
      start_in_docker "${folders[index]}" --name "${name}-$((index + 1))" --network "container:${name}-1" \
        "${variables[@]/#/--env=}" > >(labelled "${label}") 2>&1
    fi
  done
}

# Copies lines with a label in front. Ctrl-C is for the servers: their last lines are wanted too.
labelled() {
  trap '' INT TERM
  local line
  while IFS= read -r line || [[ -n "${line}" ]]; do printf '%s: %s\n' "$1" "${line}" >&2; done
}

# usage: wait_until_started CONTAINER — the others join its network, so it has to be there
wait_until_started() {
  until [[ "$(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" == true ]]; do
    all_run || wait_for_servers
    sleep 0.2
  done
}

wait_for_containers() {
  local index
  for index in "${!folders[@]}"; do wait_until_ready "${ports[index]}" "${SERVERS[index]}"; done
}

# usage: start_endpoint NAME PORT
start_endpoint() {
  local addresses
  addresses="$(IFS=, && echo "${ports[*]}")"
  "${VENV}/bin/python" "${ROOT}/local_test/endpoint.py" --port "$2" "$1=${addresses}" &
  SERVERS+=("$!")
  until is_taken "$2"; do
    all_run || wait_for_servers
    sleep 0.2
  done
}

main "$@"
