# The verbs. Each calls a script that can be called by itself; `make help` lists them.

MODEL     ?= abalone
PORT      ?= 8080
# In SageMaker a name has no underscores.
ENDPOINTS ?= $(subst _,-,$(MODEL))=$(PORT)

# `python -m deploy`, with the packages that it needs.
DEPLOY = . local_test/lib.sh && ensure_packages "$$ROOT/deploy/requirements.txt" && cd "$$ROOT" && .venv/bin/python -m deploy

SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
.PHONY: help venv serve predict contract endpoint image push package new_stage plan deploy status invoke transform destroy rehearsal \
  manifest compile bench fuzz reliability test test-localmode check format lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo '  MODEL=name           a folder of models/ (default: abalone)'; echo '  PORT=number          where the server listens (default: 8080)'
	@echo '  TARGET=target        what to check the contract on (default: models/MODEL)'
	@echo '  ENDPOINTS=name=port  endpoints and the servers behind them (default: MODEL=PORT)'
	@echo '  NAME=name            the repository in ECR'
	@echo '  STAGE=name           a file in deploy/stages'
	@echo '  KIND=kind            instance, serverless, asynchronous, pipeline or batch'
	@echo '  PROGRAM=name         of reliability/: overload, kills, terms, soak or scrape'
	@echo '  IMAGE=uri            what `make push` prints'
	@echo "  OPTIONS='--x y'      passed on to the script; each has a --help"

serve: ## serve MODEL on PORT until Ctrl-C, in Docker or on this machine
	@local_test/serve_local.sh "$(MODEL)" --port "$(PORT)"

predict: ## send a sample of MODEL to the server on PORT
	@local_test/predict.sh "$(MODEL)" --port "$(PORT)"

contract: ## check SageMaker's contract on TARGET: an image, a URL or a model folder
	@local_test/check_contract.sh "$(or $(TARGET),models/$(MODEL))" $(if $(findstring command,$(origin MODEL)),--model "$(MODEL)") $(OPTIONS)

endpoint: ## answer as SageMaker's runtime for ENDPOINTS, so that boto3 and the AWS CLI can call them
	@. local_test/lib.sh && ensure_packages "$$ROOT/requirements-dev.txt" && .venv/bin/python local_test/endpoint.py $(OPTIONS) $(ENDPOINTS)

venv: ## make .venv with the packages of the image
	@. local_test/lib.sh && ensure_packages "$$ROOT/container/requirements.txt"

test: ## run every test that this machine can run, and name those it cannot
	@tests/run.sh

test-localmode: ## serve the image through the local mode of the SageMaker SDK
	@tests/localmode/run.sh

check: ## lint and type-check everything, and ask about known vulnerabilities
	@tests/check.sh

format: ## format the Python code
	@. local_test/lib.sh && ensure_packages "$$ROOT/requirements-dev.txt" && .venv/bin/ruff format . && .venv/bin/ruff check --fix .

image: ## build the image; a MODEL that is given is baked into it
	@docker build --file container/Dockerfile --tag sagemaker-byoc \
	  --build-arg MODEL="$(if $(findstring command,$(origin MODEL)),$(MODEL))" .

push: ## build the image, check it and push it to ECR as NAME; a MODEL that is given is baked into it
	@./build_and_push.sh "$(NAME)" $(if $(findstring command,$(origin MODEL)),--model "$(MODEL)") $(OPTIONS)

package: ## make MODEL's archive, or check one; TO=s3 puts it into S3
	$(if $(filter-out s3,$(TO)),$(error TO is s3 or nothing, not $(TO)))
	@$(DEPLOY) package "$(MODEL)" $(if $(TO),--to-s3) $(OPTIONS)

new_stage: ## write the file of a stage: STAGE, KIND, IMAGE, and MODEL unless that is in the image (MODEL=)
	@. local_test/lib.sh && ensure_packages "$$ROOT/container/requirements.txt" \
	  && for model in $(filter-out s3://%,$(MODEL)); do ensure_model_packages "$$(model_folder "$$model")"; done
	@$(DEPLOY) new-stage "$(STAGE)" --kind "$(KIND)" --image $(IMAGE) --model $(MODEL) $(OPTIONS)

plan: ## show what deploying STAGE would change
	@$(DEPLOY) plan "$(STAGE)"

deploy: ## put STAGE onto SageMaker, or update it
	@$(DEPLOY) deploy "$(STAGE)" $(OPTIONS)

status: ## show how STAGE is
	@$(DEPLOY) status "$(STAGE)"

invoke: ## send the model's sample, or the file BODY, to STAGE's endpoint
	@$(DEPLOY) invoke "$(STAGE)" $(if $(BODY),--body "$(BODY)") $(if $(CONTENT_TYPE),--content-type "$(CONTENT_TYPE)") $(OPTIONS)

transform: ## run STAGE's transform job; ROWS=path is sent first, ANSWERS=folder is where answers are fetched
	@$(DEPLOY) transform "$(STAGE)" $(if $(ROWS),--rows "$(ROWS)") $(if $(ANSWERS),--answers "$(ANSWERS)") $(OPTIONS)

destroy: ## take STAGE down, and say what stays
	@$(DEPLOY) destroy "$(STAGE)" $(OPTIONS)

rehearsal: ## stand in for AWS on this machine, with real containers and a registry, until Ctrl-C (as root)
	@. local_test/lib.sh && ensure_packages "$$ROOT/requirements-dev.txt" && ensure_registry \
	  && .venv/bin/python tests/aws/stand_in --registry $(OPTIONS)

manifest: ## write MODEL's manifest.json: file hashes and library versions
	@. local_test/lib.sh && folder="$$(model_folder "$(MODEL)")" && ensure_packages "$$ROOT/container/requirements.txt" \
	  && PYTHONPATH=container/code .venv/bin/python -m serving.manifest "$$folder"

compile: ## make MODEL's model.onnx, proved to answer like the original; TO=folder leaves MODEL as it is
	@. local_test/lib.sh && folder="$$(model_folder "$(MODEL)")" && ensure_packages "$$ROOT/container/requirements.txt" \
	  && ensure_packages "$$ROOT/compiling/requirements.txt" \
	  && PYTHONPATH=container/code .venv/bin/python -m compiling "$$folder" $(if $(TO),--to "$(TO)") $(OPTIONS)

bench: ## measure this server beside others, or what one instance of a MODEL that is given holds
	@benchmark/bench.sh $(if $(findstring command,$(origin MODEL)),tune "$(MODEL)",run) $(OPTIONS)

fuzz: ## look for input that the codecs neither read nor refuse; OPTIONS='csv --minutes 10'
	@. local_test/lib.sh && ensure_packages "$${ROOT}/requirements-dev.txt" && cd -- "$${ROOT}" && PYTHONPATH=container/code:tests "$${VENV}/bin/python" -m fuzz $(OPTIONS)

reliability: ## try what is promised under overload, kills, stops and long load: all of it, or one PROGRAM
	@reliability/reliability.sh "$(or $(PROGRAM),all)" $(OPTIONS)

lock: ## compile the .in files into locked requirements, with hashes
	@tests/lock.sh

clean: ## remove the virtual environment and the caches
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache
