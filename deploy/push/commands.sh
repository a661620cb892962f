# Commands that a dry run only shows, and what they have said; sourced by build_and_push.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # PLATFORM is assigned there

# usage: prepare_commands DRY_RUN — makes the folder WORK, which goes with the script; empty means no dry run
prepare_commands() {
  DRY_RUN="$1"
  WORK="$(mktemp -d)"
  trap 'rm -rf -- "${WORK}"' EXIT
  SAID="${WORK}/said" PRINTED="${WORK}/printed"
  touch -- "${SAID}" "${PRINTED}"
  # For the result, and a dry run's commands: what functions print is for their callers.
  exec 3>&1
}

# usage: ask STAND_IN COMMAND... — prints what the command prints; a dry run shows it and prints the stand-in
ask() {
  if [[ -n "${DRY_RUN}" ]]; then
    show "${@:2}"
    printf '%s\n' "$1"
    return
  fi
  "${@:2}" 2>"${SAID}"
}

# usage: run COMMAND... — lets the user see what it prints, and keeps that; a dry run shows the command
run() {
  if [[ -n "${DRY_RUN}" ]]; then
    show "$@"
    return
  fi
  "$@" 2>&1 | tee -- "${PRINTED}" >&2
}

# usage: progress TEXT — says what is done; a dry run does nothing
progress() { [[ -n "${DRY_RUN}" ]] || say "- $1"; }

# usage: report RESULT
report() { [[ -n "${DRY_RUN}" ]] || printf '%s\n' "$1" >&3; }

# usage: show WORD... — prints a command as it can be pasted
show() {
  local word
  local -a words=()
  for word in "$@"; do
    [[ "${word}" =~ ^([A-Za-z0-9_./:=@,+-]+|[|<>])$ ]] || word="${word@Q}"
    words+=("${word}")
  done
  printf '%s\n' "${words[*]}" >&3
}

# usage: said WHO — prints why the last command failed, in its own words
said() {
  local words
  words="$(tr -s '[:space:]' ' ' <"${SAID}" | sed 's/^ //; s/ $//')"
  printf '%s says: %s\n' "$1" "${words:-nothing}"
}

# usage: aws_said ERROR
aws_said() { grep -qF -- "($1)" "${SAID}"; }

# usage: printed PATTERN — tells whether the last command that ran had such a line
printed() { grep -qiE -- "$1" "${PRINTED}"; }

# usage: python_reads PROGRAM — runs the program on the JSON of stdin, which it knows as `found`
python_reads() {
  local python
  python="$(find_python)"
  "${python}" -c "import json, sys; found = json.load(sys.stdin); $1"
}

# usage: explain_failure WHAT — ends the script with the cause, where the output tells one that is known
explain_failure() {
  if printed 'no space left on device'; then
    fail "$1 failed: no space left on device." "See what takes how much: docker system df" \
      "Free what Docker does not use: docker system prune; docker builder prune, after which builds take longer" \
      "Docker Desktop has a disk of its own: its size is in the settings."
  fi
  if printed 'exec format error|does not match the specified platform|no match for platform'; then
    fail_for_platform "$1 failed: this engine cannot build for ${PLATFORM}."
  fi
  fail "$1 failed: see its output above."
}

# usage: fail_for_platform MESSAGE
fail_for_platform() {
  fail "$1" "What helps is a machine of that kind: for linux/arm64 a Graviton instance, or a Mac with Apple's processor;" \
    "or, with buildx, an emulator, which is slow:" \
    "docker run --privileged --rm tonistiigi/binfmt --install ${PLATFORM#linux/}" \
    "A base image for another platform that lies in the engine is in the way, too: docker image ls python"
}
