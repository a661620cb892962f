"""The serving stack: everything with logic, and nothing that knows Flask.

The folder has two halves:

- start-up: `launch`, `settings`, `variables`, `places`, `cgroups`, `memory`, `plan`, `nginx`, `open_files`,
  `processes`, `privileges`, `user_trial`, `checking`, `supervisor`, `deaths`, `crash_loop`, `health`, `status`,
  `logs`, `log_stream`, `door_log`, `counts`, `metric_cells`, `metric_table`, `embedded_metrics`;
- requests: `arbiter`, `post_mortem`, `worker_table`, `suspects`, `quarantine`, `worker`, `leaving`, `hot_path`,
  `plain_requests`, `access`, `exposition`, `refusals`, `service`, `request_queue`, `batch_limit`, `native_thread`,
  `outcome`, `streams`, `loading`, `model_folder`, `compiled`, `packed`, `manifest`, `hooks`, `handlers`, `samples`,
  `canary`, `batch_proof`, `batch_trial`, `likeness`, `hook_globals`, `batching`, `joining`, `model`, `media_types`,
  `schema`, `decoders`, `charsets`, `encoders`, `cells`, `csv_text`, `fast_cells`, `json_values`, `array_text`,
  `answers`, `inference`, `response_headers`, `execution_parameters`, `errors`.

It is a package, not a set of flat modules, so that a user's own `errors.py` or `model.py` beside their
`inference.py` stays theirs.
"""
