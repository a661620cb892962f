"""The path to `framework`, as AWS has it."""
