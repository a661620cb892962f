#!/usr/bin/env bash
# Process a data set, train a model on it, serve that and run a batch, each as SageMaker would: one container after another.
#
# usage: chain.sh MODEL DATA [--set NAME=VALUE]... [--batch FILE] [--to FOLDER] [--port N] [--engine docker|host]
#
#   MODEL             a folder of models/, or a path, with a preprocess.py and a code/train.py
#   DATA              the data set: JSON Lines, zipped or not
#   --set NAME=VALUE  a hyperparameter
#   --batch FILE      what is asked in the end, a JSON document on each line (default: the trained model's JSON samples)
#   --to FOLDER       keep what was made, in a new folder: process/, train/ with the model, and batch/
#   --port N          where the trained model is served meanwhile (default: 8080)
#   --engine docker   build the image, and run everything in it, the jobs without a network
#   --engine host     run the same programs here, in the virtual environment .venv
#
# What the jobs print and the batch's answers go to stdout, progress and logs to stderr. Without --to nothing is left.
#
# examples:
#   local_test/chain.sh review_classifier product_reviews.jsonl
#   local_test/chain.sh review_classifier reviews.json.zip --set epochs=5 --to /tmp/trained --engine host

set -euo pipefail
# shellcheck source=local_test/servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/servers.sh"

WORK='' # where everything is made; process/ and train/ are /opt/ml in their containers
ENGINE=''
AS_ME=(--user "$(id -u):$(id -g)") # so that what the jobs write can be removed again

main() {
  local model='' data='' batch='' to='' port=8080
  local -a parameters=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --set)
        [[ "${2:?--set needs NAME=VALUE}" == ?*=* ]] || wrong_usage "$0" "--set needs NAME=VALUE, not $2"
        parameters+=("$2")
        shift 2
        ;;
      --batch) batch="${2:?--batch needs a file}"; shift 2 ;;
      --to) to="${2:?--to needs a folder}"; shift 2 ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --engine) ENGINE="${2:?--engine needs docker or host}"; shift 2 ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) if [[ -z "${model}" ]]; then model="$1"; else data="$1"; fi; shift ;;
    esac
  done
  [[ -n "${data}" ]] || wrong_usage "$0" "MODEL and DATA are needed"
  local folder
  folder="$(model_folder "${model}")"
  check_wishes "${folder}" "${data}" "${batch}" "${to}" "${port}"
  make_work "${to}"
  process "${folder}" "${data}"
  train "${folder}" "${parameters[@]}"
  transform "${batch}" "${port}"
}

# usage: check_wishes FOLDER DATA BATCH TO PORT — before minutes are spent
check_wishes() {
  local file
  for file in "$1/preprocess.py" "$1/code/train.py" "$2" ${3:+"$3"}; do
    [[ -f "${file}" ]] || fail "no such file: ${file}" "The model needs a preprocess.py and a code/train.py: see docs/training.md."
  done
  [[ -z "$4" || ! -e "$4" ]] || fail "$4 is there already." "Name a new folder: --to FOLDER"
  ENGINE="${ENGINE:-$(default_engine)}"
  require_engine "${ENGINE}" "$0"
  require_port "$5" "$0"
  require_free "$5" "--port N, or make chain PORT=N"
  require_curl
  ensure_packages "${ROOT}/container/requirements.txt"
  if [[ "${ENGINE}" == docker ]]; then
    run_quietly "building the image ${IMAGE} (minutes the first time, seconds after that)" \
      docker build --file "${ROOT}/container/Dockerfile" --tag "${IMAGE}" "${ROOT}"
  fi
}

# usage: make_work TO
make_work() {
  if [[ -n "$1" ]]; then
    mkdir -p -- "$1"
    WORK="$(cd -- "$1" && pwd)"
    trap 'end_servers; wait' EXIT
  else
    WORK="$(mktemp -d)"
    trap 'end_servers; wait; rm -rf -- "${WORK}"' EXIT
  fi
  mkdir -p "${WORK}/process/processing/input/code" "${WORK}/process/processing/input/data" \
    "${WORK}/process/processing/output" "${WORK}/train/input/config" "${WORK}/train/input/data" "${WORK}/batch"
}

# usage: process FOLDER DATA
process() {
  local name zipped="$2"
  name="$(basename -- "$2")"
  say "Processing ${name}."
  if [[ "${name}" != *.zip ]]; then
    zipped="${WORK}/process/processing/input/data/${name}.zip"
    "${VENV}/bin/python" -m zipfile --create "${zipped}" "$2"
  else
    cp -- "$2" "${WORK}/process/processing/input/data/"
  fi
  cp -- "$1/preprocess.py" "${WORK}/process/processing/input/code/"
  if [[ "${ENGINE}" == docker ]]; then
    docker run --rm --network none "${AS_ME[@]}" --volume "${WORK}/process:/opt/ml" --entrypoint python3 \
      "${IMAGE}" /opt/ml/processing/input/code/preprocess.py "$(basename -- "${zipped}")"
  else
    "${VENV}/bin/python" "$1/preprocess.py" "$(basename -- "${zipped}")" --root "${WORK}/process"
  fi || fail "the processing job failed; its message stands above."
}

# usage: train FOLDER NAME=VALUE...
train() {
  say "Training."
  cp -R -- "${WORK}/process/processing/output/." "${WORK}/train/input/data/"
  cp -R -- "$1/code" "${WORK}/train/input/data/code"
  describe_job "${@:2}"
  if [[ "${ENGINE}" == docker ]]; then
    docker run --rm --network none "${AS_ME[@]}" --volume "${WORK}/train:/opt/ml" "${IMAGE}" train
  else
    PATH="${VENV}/bin:${PATH}" "${VENV}/bin/python" "${ROOT}/container/code/train" --root "${WORK}/train"
  fi || fail "the training job failed; SageMaker would show: $(head -c 1024 "${WORK}/train/output/failure" 2>/dev/null)"
}

# usage: describe_job NAME=VALUE... — writes the files in which SageMaker describes a training job
describe_job() {
  "${VENV}/bin/python" - "${WORK}/train/input" "$@" <<'PYTHON'
import json, pathlib, sys

folder, parameters = pathlib.Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:])
channels = sorted(path.name for path in (folder / "data").iterdir())
files = {
    "hyperparameters": parameters,
    "inputdataconfig": {name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"} for name in channels},
    "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"},
}
for name, content in files.items():
    (folder / "config" / f"{name}.json").write_text(json.dumps(content))
PYTHON
}

# usage: transform BATCH PORT — cuts by SplitType Line, assembles by AssembleWith Line
transform() {
  local documents="$1" line answers
  if [[ -z "${documents}" ]]; then
    documents="${WORK}/batch/documents.json"
    one_line_each "${WORK}/train/model/samples" >"${documents}"
  fi
  start_serving "$2"
  say "Asking for $(grep -c . "${documents}") lines of $(basename -- "${documents}")."
  answers="${WORK}/batch/$(basename -- "${documents}").out"
  while IFS= read -r line || [[ -n "${line}" ]]; do
    [[ -n "${line}" ]] || continue
    printf '%s' "${line}" >"${WORK}/batch/request"
    "${ROOT}/local_test/predict.sh" "${WORK}/train/model" --port "$2" --sample "${WORK}/batch/request" \
      --content-type application/json
    printf '\n'
  done <"${documents}" | tee -- "${answers}"
  rm -f -- "${WORK}/batch/request"
}

# usage: one_line_each SAMPLES — prints each JSON request on a line of its own
one_line_each() {
  "${VENV}/bin/python" - "$1" <<'PYTHON'
import json, pathlib, sys

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    if ".expected." not in path.name:
        print(json.dumps(json.loads(path.read_text())))
PYTHON
}

# usage: start_serving PORT
start_serving() {
  if [[ "${ENGINE}" == docker ]]; then
    start_in_docker "${WORK}/train/model" --publish "127.0.0.1:$1:8080" --env SAGEMAKER_BIND_TO_PORT=8080
  else
    start_on_host "${WORK}/train/model" SAGEMAKER_BIND_TO_PORT="$1"
  fi >&2
  wait_until_ready "$1" "${SERVERS[0]}"
}

main "$@"
