#!/usr/bin/env bash
# Send a sample of a model to a running server, and print the answer.
#
# usage: predict.sh [MODEL] [--port N] [--endpoint NAME] [--sample FILE] [--content-type TYPE] [--accept TYPE] [--show]
#
#   MODEL            a folder of models/, or a path (default: abalone); its one_row.* sample is sent
#   --port N         where the server listens (default: 8080)
#   --endpoint NAME  ask this endpoint of `make endpoint` or `make pipeline`, which listens on the port
#   --sample FILE    send this file instead
#   --content-type   its media type (default: by its extension)
#   --accept TYPE    the media type wanted of the answer
#   --show           print the curl command instead of running it
#
# The answer's body goes to stdout. Exit status: 0 for a 2xx answer, 1 otherwise.
#
# examples:
#   local_test/predict.sh
#   local_test/predict.sh abalone_predictor --port 9000 --accept application/json

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local model=abalone port=8080 endpoint='' sample='' content_type='' accept='' show='' folder url
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --port) port="${2:?--port needs a number}"; shift 2 ;;
      --endpoint) endpoint="${2:?--endpoint needs a name}"; shift 2 ;;
      --sample) sample="${2:?--sample needs a file}"; shift 2 ;;
      --content-type) content_type="${2:?--content-type needs a media type}"; shift 2 ;;
      --accept) accept="${2:?--accept needs a media type}"; shift 2 ;;
      --show) show=yes; shift ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) model="$1"; shift ;;
    esac
  done
  require_port "${port}" "$0"
  if [[ -z "${sample}" ]]; then
    folder="$(model_folder "${model}")"
    sample="$(first_sample "${folder}")"
  fi
  [[ -f "${sample}" ]] || fail "no such file: ${sample}"
  [[ -n "${content_type}" ]] || content_type="$(content_type_of "${sample}")"

  local -a request=(--header "Content-Type: ${content_type}")
  [[ -z "${accept}" ]] || request+=(--header "Accept: ${accept}")
  url="http://localhost:${port}/${endpoint:+endpoints/${endpoint}/}invocations"
  if [[ -n "${show}" ]]; then
    show_request "${sample}" "${url}" "${request[@]}"
  else
    send "${sample}" "${url}" "${request[@]}"
  fi
}

# usage: show_request SAMPLE URL HEADER... — prints a curl line to paste; a short text body stands in it
show_request() {
  local sample="$1" url="$2" headers='' body
  shift 2
  [[ $# -eq 0 ]] || headers="$(printf " '%s'" "$@")"
  headers="${headers//\'--header\'/-H}"
  body="--data-binary @$(printf '%q' "${sample#"${PWD}"/}")"
  if [[ "${sample}" == *.csv && "$(wc -l <"${sample}")" -le 1 ]] && ! grep -q "'" "${sample}"; then
    body="--data-raw '$(tr -d '\r\n' <"${sample}")'"
  fi
  echo "curl ${body}${headers} ${url}"
}

# usage: send SAMPLE URL CURL_OPTION...
send() {
  local sample="$1" url="$2" answer status
  shift 2
  require_curl
  answer="$(mktemp)"
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -f -- '${answer}'" EXIT
  status="$(curl --silent --show-error --noproxy localhost --output "${answer}" --write-out '%{http_code}' \
    --data-binary "@${sample}" "$@" "${url}")" \
    || fail "no server answers at ${url}." "Start one with: make serve, and the same MODEL and PORT."
  if [[ "${status}" != 2* ]]; then
    cat -- "${answer}" >&2
    say
    fail "the server answered ${status} to ${sample}."
  fi
  cat -- "${answer}"
}

main "$@"
