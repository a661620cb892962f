"""
One run of the fuzzer, in a process of its own: `python -m fuzz.engine TARGET [LIBFUZZER OPTION...]`.

Atheris brings libFuzzer to Python: it mutates what has found new branches. What breaks a promise is made smaller, saved
in the folder that FUZZ_FINDINGS names, and told on standard output; the process then ends with status 1.
"""

import os
import shlex
import sys
from collections.abc import Callable
from hashlib import sha1
from importlib import import_module
from pathlib import Path

import atheris

GUIDES = {
    "content_type": ["werkzeug"],
    "accept": ["werkzeug"],
    "head": ["gunicorn"],
}  # packages whose branches count too
TRIES = 2000  # of making an input smaller
BROKEN = 1
PLANTED = "planted"  # a target of the tests of this program


def main(target: str, options: list[str]) -> None:
    """Fuzz *target* until libFuzzer's *options* say that it is enough."""
    # libFuzzer gives this line to a shell when it needs another process.
    again = shlex.join([sys.executable, "-m", "fuzz.engine", target])
    check = check_of(target)
    atheris.Setup([again, *options], lambda data: kept(check, target, data))
    atheris.Fuzz()


def check_of(target: str) -> Callable[[bytes], None]:
    """Import what *target* is about, so that its branches are counted."""
    for heavy in ("pandas", "requests", "gunicorn.config"):  # not to be guided by, nor to be waited for
        import_module(heavy)
    with atheris.instrument_imports(include=["serving", *GUIDES.get(target, [])]):
        from fuzz.promises import bounded
        from fuzz.targets import TARGETS
    check = planted if target == PLANTED else TARGETS[target]
    return lambda data: bounded(check, data)


@atheris.instrument_func
def planted(data: bytes) -> None:
    """Break on purpose, behind two branches: what proves that the fuzzer finds something."""
    if b"\xff" in data and data.endswith(b"!"):
        raise RuntimeError("found")


def kept(check: Callable[[bytes], None], target: str, data: bytes) -> None:
    """Check *data*; end the process where a promise is broken."""
    try:
        check(data)
    except Exception as error:
        small = smaller(check, data, type(error))
        path = save(small, target)
        print(f"{target}: BROKEN by {len(small)} bytes: {type(error).__name__}: {error!s:.500}")
        print(f"  {small!r}")
        print(f"  saved; again: python -m fuzz {target} --input {path}", flush=True)
        os._exit(BROKEN)


def smaller(check: Callable[[bytes], None], data: bytes, kind: type[Exception]) -> bytes:
    """Return the smallest part of *data* that was found to break a promise in the same way."""
    size, tries = len(data) // 2, 0
    while size and tries < TRIES:
        for start in range(0, len(data), size):
            tries += 1
            if breaks(check, shorter := data[:start] + data[start + size :], kind):
                data = shorter
                break
        else:
            size //= 2
    return data


def breaks(check: Callable[[bytes], None], data: bytes, kind: type[Exception]) -> bool:
    """Tell whether *data* raises that *kind* of exception."""
    try:
        check(data)
    except kind:
        return True
    except Exception:
        return False
    return False


def save(data: bytes, target: str) -> Path:
    """Keep an input that broke a promise."""
    folder = Path(os.environ["FUZZ_FINDINGS"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{target}-{sha1(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
