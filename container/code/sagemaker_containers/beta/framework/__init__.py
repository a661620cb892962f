"""`content_types`, `decoders`, `encoders` and `worker`; `env`, `modules` and `transformer` are there, and empty."""

from types import ModuleType

from sagemaker_containers.beta.framework import content_types, decoders, encoders, worker

__all__ = ["content_types", "decoders", "encoders", "env", "modules", "transformer", "worker"]

# Imported by many scripts at their top, and used by none of their hooks.
env, modules, transformer = (ModuleType(name) for name in ("env", "modules", "transformer"))
