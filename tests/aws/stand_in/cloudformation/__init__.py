"""
CloudFormation: `api` speaks its protocol, `planning` compares, `executor` acts, `resources` know each type.

A template's values come from `intrinsics`, its parameters from `parameters`.
"""
