#!/usr/bin/env bash
# Print a folder to use as DOCKER_CONFIG, in which Docker finds its plugin buildx. It is .cache/buildx, and is made when
# it is not there yet: of the package of Debian trixie, from this machine's own mirror, unpacked and not installed.
#
# usage: buildx.sh

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../local_test/lib.sh"

readonly SUITE=trixie
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

main() {
  case "${1:-}" in
    -h | --help) help_text "$0"; exit ;;
    *) ;;
  esac
  local -r folder="${ROOT}/.cache/buildx"
  [[ -x "${folder}/cli-plugins/docker-buildx" ]] || fetch_plugin "${folder}"
  printf '%s\n' "${folder}"
}

# usage: fetch_plugin FOLDER
fetch_plugin() {
  local mirror
  mirror="$(own_mirror)"
  WORK="$(mktemp -d)"
  trap 'rm -rf -- "${WORK}"' EXIT
  mkdir -p -- "${WORK}/lists/partial" "${WORK}/cache/archives/partial" "$1/cli-plugins"
  printf 'deb [signed-by=%s] %s %s main\n' "${KEYRING}" "${mirror}" "${SUITE}" >"${WORK}/sources.list"
  cd -- "${WORK}"
  run_quietly "reading the packages of Debian ${SUITE}" apart_from_the_system update
  run_quietly "fetching its docker-buildx" apart_from_the_system download docker-buildx
  dpkg-deb --extract docker-buildx_*.deb unpacked
  mv -- unpacked/usr/libexec/docker/cli-plugins/docker-buildx "$1/cli-plugins/"
}

own_mirror() {
  local mirror
  # shellcheck disable=SC2016  # apt expands the field
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | sed -n 1p)"
  [[ -n "${mirror}" ]] || fail "apt knows no mirror of Debian here."
  printf '%s\n' "${mirror}"
}

# usage: apart_from_the_system ARGUMENT... — apt-get, with lists of its own
apart_from_the_system() {
  apt-get --quiet --option "Dir::Etc::SourceList=${WORK}/sources.list" --option Dir::Etc::SourceParts=/dev/null \
    --option "Dir::State::Lists=${WORK}/lists" --option "Dir::Cache=${WORK}/cache" \
    --option APT::Sandbox::User=root --option Acquire::Languages=none "$@"
}

main "$@"
