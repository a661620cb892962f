"""The serving stack: everything with logic, and nothing that knows Flask.

The folder has two halves:

- start-up: `launch`, `settings`, `variables`, `places`, `cgroups`, `memory`, `plan`, `nginx`, `processes`, `supervisor`,
  `health`, `status`, `logs`;
- requests: `service`, `canary`, `request_queue`, `native_thread`, `outcome`, `streams`, `worker`, `hot_path`,
  `plain_requests`, `refusals`, `access`, `loading`,
  `model_folder`, `compiled`,
  `packed`, `manifest`, `hooks`, `model`, `batching`, `batch_proof`, `batch_trial`, `likeness`, `hook_globals`, `joining`, `samples`, `schema`, `cells`,
  `media_types`, `decoders`, `encoders`, `answers`, `inference`, `response_headers`, `execution_parameters`, `errors`.

It is a package, not a set of flat modules, so that a user's own `errors.py` or `model.py` beside their
`inference.py` stays theirs.
"""
