"""Prometheus' text format, as far as it tells metrics from anything else."""

import re

LABEL = r'[a-zA-Z_]\w*="(?:\\.|[^"\\])*"'
SERIES = re.compile(
    r"[a-zA-Z_:][\w:]*\s*"
    rf"(?:\{{\s*(?:{LABEL}\s*,?\s*)*\}})?"
    r"\s+(?:[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|[-+]?Inf|NaN)"
    r"(?:\s+-?[0-9.]+)?(?:\s+#.*)?\s*",
    re.IGNORECASE | re.ASCII,
)


def is_prometheus(text: str) -> bool:
    """Tell whether every line is a comment or `name{label="value"} number`."""
    return all(not line.strip() or line.startswith("#") or SERIES.fullmatch(line) for line in text.splitlines())
