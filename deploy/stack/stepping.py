"""In which steps a stack is changed: SageMaker changes no instance type while scaling is on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deploy.errors import NoLongerWaiting, Refused
from deploy.stack.stack import Stack
from deploy.stack.tags import PREFIX
from deploy.stack.template import Template, instance_type, is_scaled, without_scaling


def steps(live: Template | None, wanted: Template) -> list[Template]:
    """
    Return the templates to be applied one after the other.

    If the instance type changes while scaling is on, scaling goes first, and comes back last.
    """
    if live is None or not is_scaled(live) or instance_type(live) in (None, instance_type(wanted)):
        return [wanted]
    return [without_scaling(live), without_scaling(wanted), *([wanted] if is_scaled(wanted) else [])]


def take_steps(stack: Stack, wanted: Template, tags: Mapping[str, str]) -> None:
    """Apply the templates; if one of several cannot be, scaling is put back as it was."""
    live = stack.template() if stack.is_live() else None
    first, *further = steps(live, wanted)
    again = f"make deploy STAGE={stack.name.removeprefix(PREFIX)} again puts it back."
    scales = bool(further) and is_scaled(wanted)
    with saying(stack, f"Scaling may be off; {again}" if scales else ""):
        stack.apply(first, tags)
    with saying(stack, f"Scaling is off; {again}" if scales else ""):
        for step in further:
            try:
                stack.apply(step, tags)
            except NoLongerWaiting:
                raise
            except Refused as refused:
                put_back(stack, live or wanted, tags, refused)


def put_back(stack: Stack, live: Template, tags: Mapping[str, str], refused: Refused) -> None:
    """Apply what was live, and raise why it had to be."""
    try:
        stack.apply(live, tags)
    except NoLongerWaiting:
        raise
    except Refused as again:
        raise Refused(*refused.lines, "Scaling is off, and could not be put back:", *again.lines) from None
    raise refused


@contextmanager
def saying(stack: Stack, line: str) -> Iterator[None]:
    """Say *line* if this ends before it is over: by Ctrl-C, without a right, without a network."""
    try:
        yield
    except BaseException as error:
        if line and (isinstance(error, NoLongerWaiting) or not isinstance(error, Refused)):
            stack.say(line)
        raise
