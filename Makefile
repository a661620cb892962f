# The verbs. Each calls a script that can be called by itself; `make help` lists them.

MODEL     ?= abalone
MODELS    ?= abalone_featurizer abalone_predictor
PORT      ?= 8080
# In SageMaker a name has no underscores.
ENDPOINTS ?= $(subst _,-,$(MODEL))=$(PORT)

# `python -m deploy`, with the packages that it needs.
DEPLOY = . local_test/lib.sh && ensure_packages "$$ROOT/deploy/requirements.txt" && cd "$$ROOT" && .venv/bin/python -m deploy

SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
.PHONY: help venv serve chain pipeline page new_api web predict contract endpoint image push package new_stage plan deploy status invoke transform new_job process_job train_job marketplace listing destroy rehearsal \
  manifest compile bench fuzz reliability test test-localmode check format lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo '  MODEL=name           a folder of models/ (default: abalone)'; echo '  MODELS="a b"         the folders of a pipeline'; echo '  PORT=number          where the server listens (default: 8080)'
	@echo '  TARGET=target        what to check the contract on (default: models/MODEL)'
	@echo '  ENDPOINTS=name=port  endpoints and the servers behind them (default: MODEL=PORT)'
	@echo '  NAME=name            the repository in ECR'
	@echo '  STAGE=name           a file in deploy/stages'
	@echo '  JOB=name             a file in deploy/jobs'
	@echo '  DATA=place           a path, or an address in S3'
	@echo '  API=name             the stage whose API it is, a file in deploy/apis'
	@echo '  ORIGIN=origin        where the page of an API will be, such as https://reviews.example.com'
	@echo '  KIND=kind            instance, serverless, asynchronous, pipeline or batch'
	@echo '  PROGRAM=name         of reliability/: overload, kills, terms, soak or scrape; of tests/fuzz: http'
	@echo '  VERB=verb            of `python -m deploy marketplace`: request, check, policies or submit'
	@echo '  IMAGE=uri            what `make push` prints'
	@echo "  OPTIONS='--x y'      passed on to the script; each has a --help"

serve: ## serve MODEL on PORT until Ctrl-C, in Docker or on this machine
	@local_test/serve_local.sh "$(MODEL)" --port "$(PORT)"

pipeline: ## serve MODELS one after the other, behind one local endpoint, until Ctrl-C
	@local_test/serve_pipeline.sh $(MODELS) --port "$(PORT)" $(OPTIONS)

page: ## serve MODEL with a web page, an HTTP API and the Lambda function in front of it, on PORT and the three after it
	@local_test/serve_page.sh $(if $(findstring command,$(origin MODEL)),"$(MODEL)") \
	  $(if $(findstring command,$(origin PORT)),--port "$(PORT)") $(OPTIONS)

chain: ## process DATA, train MODEL on it, serve that and run a batch, each as SageMaker would
	@local_test/chain.sh "$(MODEL)" "$(DATA)" --port "$(PORT)" $(OPTIONS)

predict: ## send a sample of MODEL to the server on PORT
	@local_test/predict.sh "$(MODEL)" --port "$(PORT)" $(OPTIONS)

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

new_api: ## write the file of the API of a stage's endpoint: API is the stage, ORIGIN where its page will be
	@$(DEPLOY) api new "$(API)" --origin "$(ORIGIN)" $(OPTIONS)

web: ## write the page of API into the folder TO, for any web server
	@$(DEPLOY) api page "$(API)" --to "$(TO)" $(OPTIONS)

plan: ## show what deploying STAGE, or API, would change
	@$(DEPLOY) $(if $(API),api plan "$(API)",plan "$(STAGE)")

deploy: ## put STAGE onto SageMaker, or API in front of it, or update them
	@$(DEPLOY) $(if $(API),api deploy "$(API)",deploy "$(STAGE)") $(OPTIONS)

status: ## show how STAGE or API is, or the latest runs of JOB, their logs and what they cost
	@$(DEPLOY) $(if $(API),api status "$(API)",$(if $(JOB),job-status "$(JOB)",status "$(STAGE)"))

invoke: ## send the model's sample, or the file BODY, to STAGE's endpoint
	@$(DEPLOY) invoke "$(STAGE)" $(if $(BODY),--body "$(BODY)") $(if $(CONTENT_TYPE),--content-type "$(CONTENT_TYPE)") $(OPTIONS)

transform: ## run STAGE's transform job; ROWS=path is sent first, ANSWERS=folder is where answers are fetched
	@$(DEPLOY) transform "$(STAGE)" $(if $(ROWS),--rows "$(ROWS)") $(if $(ANSWERS),--answers "$(ANSWERS)") $(OPTIONS)

new_job: ## write the file of a job: JOB, IMAGE, and MODEL with the programs
	@$(DEPLOY) new-job "$(JOB)" --image "$(IMAGE)" --model "$(if $(findstring command,$(origin MODEL)),$(MODEL))" $(OPTIONS)

process_job: ## process DATA on SageMaker as JOB says; prints where what it made lies
	@$(DEPLOY) process "$(JOB)" $(if $(DATA),--data "$(DATA)") $(OPTIONS)

train_job: ## train on SageMaker as JOB says, on DATA; prints the address of the model's archive
	@$(DEPLOY) train "$(JOB)" $(if $(DATA),--data "$(DATA)") $(OPTIONS)

destroy: ## take STAGE or API down, or the role of JOB, and say what stays
	@$(DEPLOY) $(if $(API),api destroy "$(API)",$(if $(JOB),destroy-job "$(JOB)",destroy "$(STAGE)")) $(OPTIONS)

marketplace: ## make MODEL's package for AWS Marketplace of IMAGE, and wait for its validation; VERB=check only checks
	@$(DEPLOY) marketplace "$(or $(VERB),submit)" "$(MODEL)" $(if $(IMAGE),--image "$(IMAGE)") $(OPTIONS)

listing: ## check what buyers of MODEL will see, and ask the model whether it is true
	@. local_test/lib.sh && ensure_packages "$$ROOT/container/requirements.txt" && ensure_model_packages "$$(model_folder "$(MODEL)")"
	@$(DEPLOY) marketplace listing "$(MODEL)" $(OPTIONS)

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

fuzz: ## look for input that is neither read nor refused: in the codecs, or over HTTP with PROGRAM=http
	@. local_test/lib.sh $(if $(PROGRAM),&& ensure_nginx) && ensure_packages "$${ROOT}/requirements-dev.txt" && cd -- "$${ROOT}" && PYTHONPATH=container/code:tests "$${VENV}/bin/python" -m fuzz$(addprefix .,$(PROGRAM)) $(OPTIONS)

reliability: ## try what is promised under overload, kills, stops and long load: all of it, or one PROGRAM
	@reliability/reliability.sh "$(or $(PROGRAM),all)" $(OPTIONS)

lock: ## compile the .in files into locked requirements, with hashes
	@tests/lock.sh

clean: ## remove the virtual environment and the caches
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache
