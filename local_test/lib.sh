# Shared by the scripts of this folder and by `make`; sourced, never run.
# shellcheck shell=bash

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${ROOT}/.venv"
# Not in the PATH of every user on Debian; nginx lives there.
PATH="${PATH}:/usr/local/sbin:/usr/sbin:/sbin"
export ORT_DISABLE_TELEMETRY=1  # ONNX Runtime would tell its maker of each program that imports it

# Progress and problems go to stderr, so that stdout holds a result and nothing else.
say() { printf '%s\n' "$*" >&2; }

fail() {
  say "${0##*/}: $1"
  shift
  local line
  for line in "$@"; do say "  ${line}"; done
  exit 1
}

if [[ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -lt 44 ]]; then
  fail "bash ${BASH_VERSION} is too old: 4.4 or newer is needed." "macOS: brew install bash"
fi
shopt -s inherit_errexit

# usage: help_text SCRIPT — prints the comment at the script's head
help_text() { sed -n '2,/^[^#]/ { s/^# \{0,1\}//p; }' "$1"; }

# usage: wrong_usage SCRIPT MESSAGE
wrong_usage() {
  say "$(basename -- "$1"): $2"
  say
  help_text "$1" >&2
  exit 2
}

# usage: model_folder NAME_OR_PATH — prints the absolute path of the model folder
model_folder() {
  local candidate
  for candidate in "${ROOT}/models/$1" "$1"; do
    if [[ -d "${candidate}" ]]; then
      (cd -- "${candidate}" && pwd)
      return
    fi
  done
  fail "no model folder: looked for ${ROOT}/models/$1 and for $1." \
    "The models here: $(cd -- "${ROOT}/models" && echo */ | tr -d /)"
}

# usage: run_quietly WHAT COMMAND... — says what is being done, shows the command's output only if it fails
run_quietly() {
  local what="$1" output
  shift
  say "- ${what}"
  output="$(mktemp)"
  if ! "$@" >"${output}" 2>&1; then
    cat -- "${output}" >&2
    rm -f -- "${output}"
    fail "failed: ${what}" "The command was: $*"
  fi
  rm -f -- "${output}"
}

# Prints the first Python that is new enough.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    if [[ -n "${candidate}" ]] && command -v "${candidate}" >/dev/null 2>&1 \
      && "${candidate}" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "${candidate}"
      return
    fi
  done
  fail "no Python: looked for 3.11 or newer with its venv module, as python3 and python3.11 to python3.13." \
    "Install one (Debian, Ubuntu: sudo apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python."
}

# usage: ensure_packages REQUIREMENTS — makes .venv and installs the locked file, unless that was done before
ensure_packages() {
  local requirements="$1" python stamp
  if [[ ! -x "${VENV}/bin/python" ]]; then
    python="$(find_python)"
    run_quietly "making the virtual environment ${VENV#"${ROOT}"/} with ${python}" "${python}" -m venv --clear "${VENV}"
  fi
  stamp="${VENV}/$(basename -- "${requirements}").$(cksum <"${requirements}" | tr ' ' -)"
  [[ -e "${stamp}" ]] && return
  run_quietly "installing the locked packages of ${requirements#"${ROOT}"/} into ${VENV#"${ROOT}"/} (about half a minute)" \
    "${VENV}/bin/python" -m pip install --disable-pip-version-check --require-hashes --requirement "${requirements}"
  touch -- "${stamp}"
}

# usage: ensure_model_packages FOLDER — installs what the model itself asks for, without moving the stack's versions
ensure_model_packages() {
  local requirements="$1/code/requirements.txt" constraints
  [[ -f "${requirements}" ]] || return 0
  constraints="$(mktemp)"
  # The lock without its hashes, which would be asked of the model's packages as well.
  sed -n 's/^\([A-Za-z0-9].*==.*\) \\$/\1/p' "${ROOT}/container/requirements.txt" >"${constraints}"
  run_quietly "installing the model's own packages, ${requirements}" \
    "${VENV}/bin/python" -m pip install --disable-pip-version-check \
    --constraint "${constraints}" --requirement "${requirements}"
  rm -f -- "${constraints}"
}

# usage: ensure_debian_packages PACKAGE... — installs them where that is possible; returns 1 where it is not
ensure_debian_packages() {
  [[ "$(id -u)" -eq 0 ]] && command -v apt-get >/dev/null 2>&1 || return 1
  local policy=/usr/sbin/policy-rc.d
  # Debian starts a service with its package; the package is wanted here, the service is not.
  if [[ ! -e "${policy}" ]]; then
    printf '#!/bin/sh\nexit 101\n' >"${policy}"
    chmod +x "${policy}"
    # shellcheck disable=SC2064  # the path is meant as it is now
    trap "rm -f -- '${policy}'" EXIT
  fi
  run_quietly "updating apt's package lists" apt-get update --quiet
  DEBIAN_FRONTEND=noninteractive run_quietly "installing $* with apt" \
    apt-get install --quiet --yes --no-install-recommends "$@"
}

ensure_nginx() {
  command -v nginx >/dev/null 2>&1 && return
  # In a shell of its own: its EXIT trap must not replace the caller's.
  (ensure_debian_packages nginx) || fail "nginx is not installed, and only root can install it with apt." \
    "Debian, Ubuntu: sudo apt-get install nginx" \
    "Fedora: sudo dnf install nginx" \
    "macOS: brew install nginx" \
    "or start Docker: the image brings its own."
}

# The registry that plays ECR in the tests.
ensure_registry() {
  local -a missing=()
  command -v docker-registry >/dev/null 2>&1 || missing+=(docker-registry)
  command -v openssl >/dev/null 2>&1 || missing+=(openssl)
  [[ "${#missing[@]}" -eq 0 ]] || (ensure_debian_packages "${missing[@]}") \
    || fail "${missing[*]} is not installed, and only root can install it with apt." \
      "Debian, Ubuntu: sudo apt-get install ${missing[*]}"
}

# What loads a server in benchmark/.
ensure_wrk() { ensure_program wrk; }

# What scrapes /metrics in reliability/.
ensure_prometheus() { ensure_program prometheus; }

# usage: ensure_program NAME — a program whose Debian package has its name
ensure_program() {
  command -v "$1" >/dev/null 2>&1 && return
  # In a shell of its own: its EXIT trap must not replace the caller's.
  (ensure_debian_packages "$1") || fail "$1 is not installed, and only root can install it with apt." \
    "Debian, Ubuntu: sudo apt-get install $1"
}

# What looks at the page of deploy/api.
ensure_chromium() {
  command -v chromium >/dev/null 2>&1 && command -v chromedriver >/dev/null 2>&1 && return
  # In a shell of its own: its EXIT trap must not replace the caller's.
  (ensure_debian_packages chromium chromium-driver) \
    || fail "chromium or chromedriver is not installed, and only root can install them with apt." \
      "Debian: sudo apt-get install chromium chromium-driver"
}

# usage: require_port PORT SCRIPT [WHAT] — WHAT is the option, or what else it is the port of
require_port() {
  [[ "$1" =~ ^[1-9][0-9]{0,4}$ && "$1" -le 65535 ]] || wrong_usage "$2" "${3:---port} is a number from 1 to 65535, not $1"
}

require_curl() {
  command -v curl >/dev/null 2>&1 || fail "curl is not installed." "Debian, Ubuntu: sudo apt-get install curl"
}

# usage: is_taken PORT
is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

engine_answers() { command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

# usage: content_type_of FILE
content_type_of() {
  case "$1" in
    *.csv) echo text/csv ;;
    *.json) echo application/json ;;
    *.jsonl) echo application/jsonlines ;;
    *.npy) echo application/x-npy ;;
    *.txt) echo text/plain ;;
    *) fail "no media type is known for $1." "Name it: --content-type TYPE" ;;
  esac
}

# usage: first_sample FOLDER — prints the sample request to show, one_row.* if there is one
first_sample() {
  local sample
  for sample in "$1"/samples/one_row.* "$1"/samples/*; do
    if [[ -f "${sample}" && "${sample}" != *.expected.* && "${sample}" =~ \.(csv|json|jsonl|npy|txt)$ ]]; then
      echo "${sample}"
      return
    fi
  done
  fail "the model has no sample request: looked in $1/samples/." "Put one there, such as one_row.csv."
}
