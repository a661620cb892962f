#!/usr/bin/env bash
# Build the image, check the contract on it, push it to ECR, and look there whether SageMaker can take it.
#
# usage: build_and_push.sh NAME [OPTION...]
#
#   NAME                 the repository in ECR, and the name of the image on this machine
#   --model FOLDER       bake in this folder of models/ (default: none; SageMaker brings the model from S3)
#   --tag TAG            the image's tag (default: what it is made of: the commit; with a model also its name and a
#                        hash of its files; with -arm64 for that platform)
#   --platform PLATFORM  linux/amd64, or linux/arm64 for Graviton instances (default: linux/amd64)
#   --sbom FILE          where to write the bill of materials (default: .cache/sbom/NAME-TAG.cdx.json, / in NAME as _)
#   --no-push            build and check only; needs no AWS
#   --dry-run            print the commands of a first push; ask AWS nothing and change nothing
#
# Needs Docker and the AWS CLI, version 1 or 2, with a region and credentials. Progress goes to stderr. When all is
# well, stdout has one line: the image's address by digest, REPOSITORY_URI@sha256:..., which always means this image;
# with --no-push, its local name and tag.
#
# An image that is in ECR already is not built again. What the default tag does not tell, such as a newer base image,
# asks for a --tag. So do changes that are not committed; the image's label org.opencontainers.image.revision then
# ends in -dirty. A tag is never moved to another image.
#
# With each build goes a bill of materials in CycloneDX's JSON, beside the image and not in it. It says what is really
# in the image: its Python and Debian packages with their versions, the hash of each archive that the Python packages
# were installed from, the base image (with its digest, where the engine has pulled it), and the hashes of a model that
# is baked in. `make clean` removes .cache.
#
# A repository that is not there is created, with immutable tags and a scan of each image that is pushed; images that
# have lost their tag expire after 14 days. The settings of one that is there stay as they are.
#
# AWS has to allow, on the repository, ecr:DescribeRepositories, DescribeImages, BatchGetImage, GetDownloadUrlForLayer,
# BatchCheckLayerAvailability, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload and PutImage; to create it,
# ecr:CreateRepository and PutLifecyclePolicy; and on everything, ecr:GetAuthorizationToken.
#
# examples:
#   ./build_and_push.sh byoc
#   ./build_and_push.sh byoc-abalone --model abalone --platform linux/arm64

set -euo pipefail
# shellcheck source=local_test/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/local_test/lib.sh"
# shellcheck source=deploy/push/ecr.sh
source "${ROOT}/deploy/push/ecr.sh"

main() {
  parse_arguments "$@"
  require_sense
  prepare_commands "${WANTS_DRY_RUN}"
  cd -- "${ROOT}"
  require_tools
  find_model
  name_image
  if [[ -n "${WANTS_PUSH}" ]]; then
    put_into_ecr
    verify_image
    report "${REPOSITORY_URI}@${DIGEST}"
  else
    build_image
    check_contract
    report "${NAME}:${TAG}"
  fi
}

put_into_ecr() {
  identify_account
  find_repository
  if [[ -z "${TAG_IS_GIVEN}" ]] && is_in_ecr; then
    progress "${NAME}:${TAG} is in ECR already"
    return
  fi
  log_in
  build_image
  if is_in_ecr; then
    require_same_image
  else
    check_contract
    push_image
    await_image
  fi
}

# -- what is wanted

parse_arguments() {
  NAME='' MODEL='' TAG='' PLATFORM=linux/amd64 SBOM='' WANTS_PUSH=yes WANTS_DRY_RUN=''
  while [[ $# -gt 0 ]]; do
    case "$1" in
      -h | --help) help_text "$0"; exit ;;
      --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
      --model | --tag | --platform | --sbom)
        [[ -n "${2:-}" ]] || wrong_usage "$0" "$1 needs a value"
        take_value "$1" "$2"; shift 2 ;;
      --no-push) WANTS_PUSH=''; shift ;;
      --dry-run) WANTS_DRY_RUN=yes; shift ;;
      -*) wrong_usage "$0" "unknown option $1" ;;
      *) [[ -z "${NAME}" ]] || wrong_usage "$0" "one name at a time, not ${NAME} and $1"
        NAME="$1"; shift ;;
    esac
  done
  TAG_IS_GIVEN="${TAG:+yes}"
  [[ -z "${SBOM}" || -d "$(dirname -- "${SBOM}")" ]] \
    || wrong_usage "$0" "--sbom: no such folder: $(dirname -- "${SBOM}")"
}

# usage: take_value OPTION VALUE
take_value() {
  case "$1" in
    --model) MODEL="$2" ;;
    --tag) TAG="$2" ;;
    # The script works in the root of the clone, its caller may be anywhere.
    --sbom) SBOM="$2"; [[ "$2" == /* ]] || SBOM="${PWD}/$2" ;;
    *) PLATFORM="$2" ;;
  esac
}

require_sense() {
  [[ -n "${NAME}" ]] || wrong_usage "$0" "name the repository"
  is_repository_name "${NAME}" || wrong_usage "$0" \
    "ECR takes no repository called ${NAME}: a name is 2 to 256 of a-z and 0-9, with single . _ - / between them"
  [[ "${PLATFORM}" =~ ^linux/(amd64|arm64)$ ]] \
    || wrong_usage "$0" "--platform is linux/amd64 or linux/arm64, not ${PLATFORM}"
  [[ -z "${TAG_IS_GIVEN}" ]] || is_tag "${TAG}" || wrong_usage "$0" \
    "no image can have the tag ${TAG}: a tag is up to 128 of A-Z, a-z, 0-9 and _ . - with no . or - first"
  [[ "${TAG}" != latest ]] \
    || wrong_usage "$0" "the tag latest does not tell one image from another: choose another --tag, or none"
}

is_repository_name() {
  local -r word='[a-z0-9]+([._-][a-z0-9]+)*'
  [[ "$1" =~ ^${word}(/${word})*$ && "${#1}" -ge 2 && "${#1}" -le 256 ]]
}

is_tag() { [[ "$1" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]]; }

# -- what there is

require_tools() {
  command -v docker >/dev/null || fail "docker is not installed: looked for it on PATH." \
    "https://docs.docker.com/get-started/get-docker/"
  [[ -z "${WANTS_PUSH}" ]] || command -v aws >/dev/null \
    || fail "the AWS CLI is not installed: looked for aws on PATH." \
      "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html" \
      "To build and check the image without AWS: --no-push"
  [[ -n "${DRY_RUN}" ]] || docker version --format '{{.Server.Version}}' >/dev/null 2>"${SAID}" \
    || fail "docker is installed, but no engine answers." "$(said Docker)" \
      "Start it: Docker Desktop, or sudo systemctl start docker." \
      "If permission is denied: sudo usermod --append --groups docker \"\$USER\", then log in anew."
}

# The Dockerfile takes the model by its name below models/.
find_model() {
  [[ -n "${MODEL}" ]] || return 0
  local folder
  folder="$(model_folder "${MODEL}")"
  [[ "${folder}" == "${ROOT}"/models/* ]] || fail "${folder} cannot be baked in: the image is built of models/ only." \
    "Copy it there: cp -R ${folder} ${ROOT}/models/"
  MODEL="${folder#"${ROOT}"/models/}"
}

# -- the tag says what the image is made of

name_image() {
  local commit changes=''
  local -a ingredients=(container .dockerignore)
  # A tag of ours has the model's own hash in it.
  [[ -z "${MODEL}" || -z "${TAG_IS_GIVEN}" ]] || ingredients+=("models/${MODEL}")
  if commit="$(git rev-parse --verify HEAD 2>"${SAID}")"; then
    changes="$(git status --porcelain --untracked-files=all -- "${ingredients[@]}")"
  else
    [[ -n "${TAG_IS_GIVEN}" ]] || fail "there is no commit to name the image after: ${ROOT} is no git checkout." \
      "$(said git)" "Name the image yourself: --tag TAG"
  fi
  REVISION="${commit}${changes:+-dirty}"
  [[ -n "${TAG_IS_GIVEN}" ]] || choose_tag "${commit:0:12}" "${changes}"
}

# usage: choose_tag COMMIT CHANGES
choose_tag() {
  local -a changes
  mapfile -t changes <<<"$2"
  [[ -z "$2" ]] || fail "the image would be named after commit $1, but what goes into it has changed since:" \
    "${changes[@]}" "Commit that, or name the image yourself: --tag TAG"
  TAG="$1"
  [[ -z "${MODEL}" ]] || TAG+="-${MODEL}-$(hash_of_model)"
  [[ "${PLATFORM}" == linux/amd64 ]] || TAG+="-${PLATFORM#linux/}"
  is_tag "${TAG}" || fail "the name of models/${MODEL} cannot be part of a tag." "Name the image yourself: --tag TAG"
}

# Prints a hash of the names and contents of the model's files that go to the builder. git hashes on every system.
hash_of_model() {
  local -a files
  mapfile -t files < <(files_of_model | LC_ALL=C sort)
  {
    printf '%s\n' "${files[@]}"
    printf '%s\n' "${files[@]}" | git hash-object --no-filters --stdin-paths
  } | git hash-object --stdin | cut -c 1-8
}

files_of_model() {
  local pattern
  local -a left_out=(-name .git)
  while read -r pattern; do
    left_out+=(-o -name "${pattern}")
  done < <(sed -n 's#^\*\*/##p' .dockerignore)
  find "models/${MODEL}" \( "${left_out[@]}" \) -prune -o ! -type d -print
}

# -- the image

build_image() {
  local -a build=(docker build --force-rm)
  if has_buildx; then build=(docker buildx build "${FOR_SAGEMAKER[@]}"); fi
  build+=(--platform "${PLATFORM}" --file container/Dockerfile --build-arg "MODEL=${MODEL}" --tag "${NAME}:${TAG}")
  [[ -z "${REVISION}" ]] || build+=(--label "org.opencontainers.image.revision=${REVISION}")
  progress "building ${NAME}:${TAG} for ${PLATFORM}"
  run "${build[@]}" . || explain_failure "the build"
  local built_for
  built_for="$(ask "${PLATFORM}" "${INSPECT_PLATFORM[@]}" "${NAME}:${TAG}")"
  [[ "${built_for}" == "${PLATFORM}" ]] \
    || fail_for_platform "the engine was asked for ${PLATFORM}, and has built for ${built_for}."
  write_sbom
}

# What is in an image, it says best itself: the program runs in it, without a network.
write_sbom() {
  local told file="${SBOM:-.cache/sbom/${NAME//\//_}-${TAG}.cdx.json}"
  told="$(facts_for_sbom)"
  local -a list=(docker run --rm --interactive --network none "${NAME}:${TAG}" python3 - "${told}")
  if [[ -n "${DRY_RUN}" ]]; then
    show "${list[@]}" '<' deploy/push/sbom.py '>' "${file}"
    return
  fi
  mkdir -p -- "$(dirname -- "${file}")"
  "${list[@]}" <deploy/push/sbom.py 2>"${SAID}" >"${WORK}/sbom" \
    || fail "${NAME}:${TAG} does not tell its bill of materials." "$(said "The image")"
  mv -- "${WORK}/sbom" "${file}"
  progress "the bill of materials is ${file}"
}

# Prints, as JSON, what the image does not know of itself. An engine has no digest of a base image that it did not pull.
facts_for_sbom() {
  local base base_digest='' id
  base="$(sed -n 's/^ARG BASE_IMAGE=//p' container/Dockerfile)"
  id="$(ask sha256:ID docker image inspect --format '{{.Id}}' "${NAME}:${TAG}")"
  [[ -z "${base}" ]] \
    || base_digest="$(ask sha256:DIGEST docker image inspect --format '{{join .RepoDigests " "}}' "${base}")" || true
  printf '{"name": "%s", "version": "%s", "id": "%s", "revision": "%s", "base": "%s", "base_digest": "%s", "model": "%s"}' \
    "${NAME}" "${TAG}" "${id}" "${REVISION}" "${base}" "${base_digest}" "${MODEL}"
}

has_buildx() { [[ "${DOCKER_BUILDKIT:-1}" != 0 ]] && docker buildx version >/dev/null 2>&1; }

check_contract() {
  local -a check=(local_test/check_contract.sh "${NAME}:${TAG}" --profile quick)
  local status=0
  if [[ -n "${DRY_RUN}" ]]; then
    show "${check[@]}"
    return
  fi
  progress "checking the contract, about 15 s"
  "${check[@]}" >&2 || status=$?
  [[ "${status}" -ne 1 ]] || fail "${NAME}:${TAG} breaks SageMaker's contract: see the table." \
    "Nothing was pushed. The clauses are explained in docs/contract.md."
  [[ "${status}" -eq 0 ]] || fail "the contract cannot be checked on ${NAME}:${TAG}: see above." "Nothing was pushed."
}

main "$@"
