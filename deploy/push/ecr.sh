# ECR: the repository, and whether what lies there is what SageMaker takes; sourced by build_and_push.sh, which
# says of which image (NAME, TAG) and for which PLATFORM.
# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154  # that is where these are assigned
# shellcheck source=deploy/push/commands.sh
source "${ROOT}/deploy/push/commands.sh"

readonly DOCKER_MANIFEST='application/vnd.docker.distribution.manifest.v2+json'
readonly DOCKER_LAYER='application/vnd.docker.image.rootfs.diff.tar.gzip'
readonly FOR_SAGEMAKER=(--provenance=false --sbom=false --output 'type=docker,oci-mediatypes=false')
readonly INSPECT_PLATFORM=(docker image inspect --format '{{.Os}}/{{.Architecture}}')
readonly LARGEST_GIGABYTES=10  # of a serverless endpoint's image
SECONDS_UNTIL_SEEN=30 # ECR may need a moment until it shows what was pushed
readonly DAYS_WITHOUT_TAG=14

# -- who and where

identify_account() {
  export AWS_PAGER=''
  REGION="${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}"
  [[ -n "${REGION}" ]] || fail "no region: looked at AWS_REGION, AWS_DEFAULT_REGION and the AWS CLI's configuration." \
    "Name one: export AWS_REGION=eu-west-1, or: aws configure set region eu-west-1"
  IDENTITY="$(ask arn:PARTITION:iam::ACCOUNT:user/NAME \
    aws sts get-caller-identity --region "${REGION}" --query Arn --output text)" \
    || fail "AWS does not say who you are: there are no credentials, or they are not valid." "$(said AWS)" \
      "Bring some: aws configure, aws sso login, or AWS_PROFILE for those of another profile."
  IFS=: read -r _ PARTITION _ _ ACCOUNT _ <<<"${IDENTITY}"
  progress "in account ${ACCOUNT}, region ${REGION}, as ${IDENTITY}"
}

# -- the repository

# Its address is what ECR says it is: other partitions have other host names.
find_repository() {
  local found=''
  REPOSITORY_URI='' MUTABILITY=IMMUTABLE
  if found="$(ask '' aws ecr describe-repositories --region "${REGION}" --repository-names "${NAME}" \
    --query 'repositories[0].[repositoryUri,imageTagMutability]' --output text)"; then
    [[ -z "${found}" ]] || read -r REPOSITORY_URI MUTABILITY <<<"${found}"
  else
    aws_said RepositoryNotFoundException || fail "cannot look for the repository ${NAME}." "$(said AWS)"
  fi
  [[ -n "${REPOSITORY_URI}" ]] || create_repository
  [[ "${MUTABILITY}" == IMMUTABLE ]] || say "- the tags of ${NAME} can be moved (${MUTABILITY}) and come to mean" \
    "another image; the address by digest cannot. To change that: aws ecr put-image-tag-mutability" \
    "--region ${REGION} --repository-name ${NAME} --image-tag-mutability IMMUTABLE"
}

create_repository() {
  local -a create=(aws ecr create-repository --region "${REGION}" --repository-name "${NAME}"
    --image-tag-mutability IMMUTABLE --image-scanning-configuration scanOnPush=true)
  progress "creating the repository ${NAME}"
  REPOSITORY_URI="$(ask "REGISTRY/${NAME}" "${create[@]}" --query repository.repositoryUri --output text)" \
    || fail "cannot create the repository ${NAME} as ${IDENTITY}." "$(said AWS)" \
      "If access is denied, that identity needs ecr:CreateRepository and ecr:PutLifecyclePolicy on" \
      "arn:${PARTITION}:ecr:${REGION}:${ACCOUNT}:repository/${NAME}; or somebody who has them runs:" "${create[*]}"
  ask '' aws ecr put-lifecycle-policy --region "${REGION}" --repository-name "${NAME}" \
    --lifecycle-policy-text "$(lifecycle_policy)" --query repositoryName --output text >/dev/null \
    || say "- ${NAME} is there, but without its lifecycle policy, so images without a tag stay. $(said AWS)"
}

lifecycle_policy() {
  printf '%s' '{"rules": [{"rulePriority": 1, "description": "expire images that have lost their tag", ' \
    '"selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", ' \
    "\"countNumber\": ${DAYS_WITHOUT_TAG}}, " '"action": {"type": "expire"}}]}'
}

# -- an image in it

# Tells whether the repository has an image of that tag, and learns what ECR knows of it.
is_in_ecr() {
  local found=''
  if ! found="$(describe_image '')"; then
    aws_said ImageNotFoundException || fail "cannot look for ${NAME}:${TAG} in ECR." "$(said AWS)"
  fi
  read -r DIGEST MEDIA_TYPE BYTES PUSHED <<<"${found}"
  [[ -n "${DIGEST}" ]]
}

await_image() {
  local found='' deadline=$((SECONDS + SECONDS_UNTIL_SEEN))
  until found="$(describe_image 'sha256:DIGEST TYPE 0 DATE')"; do
    aws_said ImageNotFoundException || fail "cannot look for ${NAME}:${TAG} in ECR." "$(said AWS)"
    [[ "${SECONDS}" -lt "${deadline}" ]] \
      || fail "ECR does not show ${NAME}:${TAG} ${SECONDS_UNTIL_SEEN} s after the push." "Run this again in a while."
    sleep 1
  done
  read -r DIGEST MEDIA_TYPE BYTES PUSHED <<<"${found}"
}

# usage: describe_image STAND_IN
describe_image() {
  ask "$1" aws ecr describe-images --region "${REGION}" --repository-name "${NAME}" --image-ids "imageTag=${TAG}" \
    --query 'imageDetails[0].[imageDigest,imageManifestMediaType,imageSizeInBytes,imagePushedAt]' --output text
}

# A tag of the user's own may be there already: for the image that was just built, or for another.
require_same_image() {
  local built reason='its tags are immutable'
  built="$(docker image inspect --format '{{.Id}}' "${NAME}:${TAG}")"
  read_manifest
  # The engine calls an image by its configuration or, if it keeps images in containerd's store, by its manifest.
  if [[ "${built}" == "${CONFIG_DIGEST}" || "${built}" == "${DIGEST}" ]]; then
    progress "${NAME}:${TAG} is in ECR already"
    return
  fi
  [[ "${MUTABILITY}" == IMMUTABLE ]] || reason='this script moves no tag'
  fail "the tag ${TAG} of ${NAME} is taken by another image, pushed $(date_of "${PUSHED}"), ${DIGEST}; ${reason}:" \
    "choose another --tag."
}

# usage: date_of TIME — version 1 of the AWS CLI prints seconds, version 2 a date
date_of() {
  if [[ "$1" =~ ^[0-9]+(\.[0-9]*)?$ ]]; then
    TZ=UTC printf '%(%Y-%m-%d %H:%M)T UTC' "${1%%.*}"
  else
    printf '%s' "$1"
  fi
}

# Learns the digest of the image's configuration, and the media types of its layers.
read_manifest() {
  local manifest facts
  manifest="$(ask '{}' aws ecr batch-get-image --region "${REGION}" --repository-name "${NAME}" \
    --image-ids "imageDigest=${DIGEST}" --query 'images[0].imageManifest' --output text)" \
    || fail "cannot read the manifest of ${REPOSITORY_URI}@${DIGEST}." "$(said AWS)"
  facts="$(python_reads 'print(
    found.get("config", {}).get("digest", "none"), *sorted({layer["mediaType"] for layer in found.get("layers", [])})
  )' <<<"${manifest}")"
  read -r CONFIG_DIGEST LAYERS <<<"${facts}"
}

# Prints what the image in ECR was built for. The engine knows that of an image that it has; else the registry does.
platform_in_ecr() {
  local -r image="${REPOSITORY_URI}@${DIGEST}"
  local found
  # Without such an image, the command fails and prints an empty line.
  if found="$(ask "${PLATFORM}" "${INSPECT_PLATFORM[@]}" "${image}")"; then
    printf '%s\n' "${found}"
    return
  fi
  log_in
  run_own_docker manifest inspect --verbose "${image}" >"${PRINTED}" 2>"${SAID}" \
    || fail "the registry does not say what ${image} was built for." "$(said Docker)"
  python_reads 'print("{os}/{architecture}".format(**found["Descriptor"]["platform"]))' <"${PRINTED}"
}

# -- what SageMaker takes

verify_image() {
  read_manifest
  if [[ -z "${DRY_RUN}" ]]; then
    require_docker_manifest
    require_gzip_layers
    require_size
  fi
  require_platform
  progress "SageMaker can take it: Docker's manifest, layers in gzip, ${PLATFORM}, $((BYTES / 1024 ** 2)) MB"
}

require_docker_manifest() {
  [[ "${MEDIA_TYPE}" == "${DOCKER_MANIFEST}" ]] \
    || refuse "is no Docker manifest, version 2, but ${MEDIA_TYPE}" \
      "CreateModel refuses it: Unsupported manifest media type." \
      "The fix: build it with docker buildx build --platform ${PLATFORM} ${FOR_SAGEMAKER[*]}," \
      "as this script does where there is buildx. An engine that keeps images in containerd's store needs that."
}

require_gzip_layers() {
  local others
  others="$(tr ' ' '\n' <<<"${LAYERS}" | sed "\\#^${DOCKER_LAYER}\$#d" | paste -s -d ' ' -)"
  [[ -z "${others}" ]] \
    || refuse "has layers that are not Docker's in gzip: ${others}" \
      "SageMaker is known to take no others: the endpoint may fail when it pulls the image." \
      "The fix: add to the options of docker buildx build ${FOR_SAGEMAKER[*]},compression=gzip,force-compression=true"
}

require_platform() {
  local found
  found="$(platform_in_ecr)"
  [[ "${found}" == "${PLATFORM}" ]] \
    || refuse "is for ${found}, not for ${PLATFORM}" \
      "On an instance of the other kind it ends at once (exec format error), and the endpoint fails." \
      "The fix: build it with --platform ${PLATFORM}, under a tag of its own."
}

require_size() {
  [[ "${BYTES}" -le $((LARGEST_GIGABYTES * 1024 ** 3)) ]] \
    || refuse "has $((BYTES / 1024 ** 3)) GB, more than ${LARGEST_GIGABYTES} GB" \
      "A serverless endpoint refuses it, and any other is slow to start." \
      "The fix: find the largest layers with docker history; leave out compilers, caches, GPU libraries or the model."
}

# usage: refuse WHAT LINE...
refuse() {
  fail "${REPOSITORY_URI}@${DIGEST} $1." "${@:2}" \
    "The tag ${TAG} stays taken: choose another --tag, or remove the image:" \
    "aws ecr batch-delete-image --region ${REGION} --repository-name ${NAME} --image-ids imageDigest=${DIGEST}"
}

# -- the registry

# The password goes to a configuration that is gone when the script ends, not to the user's.
log_in() {
  local -r host="${REPOSITORY_URI%%/*}"
  local -a password=(aws ecr get-login-password --region "${REGION}") login=(login --username AWS --password-stdin)
  if [[ -n "${DRY_RUN}" ]]; then
    show "${password[@]}" '|' docker --config PRIVATE_FOLDER "${login[@]}" "${host}"
    return
  fi
  "${password[@]}" 2>"${SAID}" | run_own_docker "${login[@]}" "${host}" >/dev/null 2>>"${SAID}" \
    || fail "the login to ${host} is refused." "$(said 'The login')" \
      "${IDENTITY} needs ecr:GetAuthorizationToken. A clock that is wrong, or a proxy, can be the cause as well."
}

push_image() {
  progress "pushing to ${REPOSITORY_URI}:${TAG}"
  run docker tag "${NAME}:${TAG}" "${REPOSITORY_URI}:${TAG}"
  if [[ -n "${DRY_RUN}" ]]; then
    show docker --config PRIVATE_FOLDER push "${REPOSITORY_URI}:${TAG}"
  else
    run run_own_docker push "${REPOSITORY_URI}:${TAG}" || explain_failure "the push"
  fi
}

# usage: run_own_docker ARGUMENT... — with a configuration of ours, which names the engine that the user's names
run_own_docker() {
  local -r own="${WORK}/docker" users="${DOCKER_CONFIG:-${HOME}/.docker}"
  local context
  if [[ ! -d "${own}" ]]; then
    mkdir -- "${own}"
    [[ ! -d "${users}/contexts" ]] || ln -s -- "$(cd -- "${users}" && pwd)/contexts" "${own}/contexts"
    context="$(docker context inspect --format '{{.Name}}' 2>/dev/null || true)"
    printf '{"currentContext": "%s"}\n' "${context:-default}" >"${own}/config.json"
  fi
  docker --config "${own}" "$@"
}
