"""docs/jobs.md says of each setting of a job what the code says, and of no other."""

import re
import tomllib

from deploy.job.kinds import JobFile
from deploy.job.role import LOG_GROUPS, JobStack
from deploy.stage.wording import table_in
from sample_jobs import job_of
from server import ROOT

PAGE = (ROOT / "docs" / "jobs.md").read_text()


def settings() -> dict[str, object]:
    """Setting -> default, as the page writes them: `train.channels`."""
    found: dict[str, object] = {}
    for name, field in JobFile.model_fields.items():
        table = table_in(field.annotation)
        inner = table.model_fields if table else {}
        found |= {f"{name}.{one}": about.default for one, about in inner.items()} or {name: field.default}
    return {name: default for name, default in found.items() if name != "name"}


def rows() -> dict[str, str]:
    """Setting -> default, of the table of settings."""
    table = PAGE.partition("| setting | default | meaning |\n|---|---|---|\n")[2].partition("\n\n")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines()]
    return {name.strip("` "): default.strip() for names, default, _ in cells for name in names.split(",")}


def test_every_setting_is_documented_and_nothing_else_is():
    assert set(rows()) == set(settings())


def test_a_plain_default_is_the_default():
    documented = rows()
    for name, default in settings().items():
        if isinstance(default, bool):
            assert documented[name] == str(default).lower()
        elif isinstance(default, int | str):
            assert documented[name] == (str(default) if isinstance(default, int) else f"`{default}`")


def test_the_example_can_be_read():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    train = job_of(**tomllib.loads(example)).train
    assert train.hyperparameters == {"epochs": 10}
    (regex,) = train.metrics.values()
    program = (ROOT / "models" / "review_classifier" / "code" / "train.py").read_text()
    assert re.search(regex, re.search(r"`(#validation_accuracy: [0-9.]+)`", program)[1])[1] == "0.7612"


def test_the_groups_of_the_logs_and_the_name_of_the_stack_are_the_codes():
    for group in LOG_GROUPS:
        assert f"aws logs tail {group} " in PAGE
    assert f"`{JobStack.prefix}NAME`" in PAGE
