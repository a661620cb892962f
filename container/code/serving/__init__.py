"""The serving stack: everything with logic, and nothing that knows Flask.

The folder has two halves that meet only in `wsgi.py`:

- start-up: `settings`, `plan`, `launch`, `nginx`, `processes`, `supervisor`, `health`, `status`;
- requests: `model_folder`, `manifest`, `hooks`, `model`, `service`, `schema`, `media_types`, `codecs`, `errors`.

It is a package, not a set of flat modules, so that a user's own `errors.py` or `model.py` beside their
`inference.py` stays theirs.
"""
