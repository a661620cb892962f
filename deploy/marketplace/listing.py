"""What buyers read: `marketplace/listing.toml`, and whether it fits the seller's file, the samples and the notebook."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from deploy.call.samples import TYPES
from deploy.marketplace import notebook
from deploy.marketplace.exchanges import DATA, REAL_TIME, files, layout_faults
from deploy.marketplace.seller import FOLDER, Seller, read_table
from deploy.stage.kinds import Table

FILE = "listing.toml"
Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=False)]


class Metric(Table):
    """How good the model is, on which data, and beside which baseline; of an error, less is better."""

    name: Text
    value: Number
    baseline: Number
    lower_is_better: bool = False
    data: Text

    def note(self) -> str | None:
        """Return what is to be said of a model that is no better than the baseline, None if it is."""
        is_better = self.value < self.baseline if self.lower_is_better else self.value > self.baseline
        side = "below" if self.lower_is_better else "above"
        return None if is_better else f"The {self.name}, {self.value}, is not {side} the baseline, {self.baseline}."


class Training(Table):
    """What the model was trained on, and what it therefore cannot do."""

    data: Text
    limits: Annotated[list[Text], Field(min_length=1)]


class Performance(Table):
    """
    How fast it is.

    Attributes:
        file: what `make bench MODEL=… OPTIONS=--json` has written, beside the listing.
        instance: the instance type that is recommended.
        measured_on: the machine that the numbers are of, in words.
        measured_on_instance: whether that machine is the recommended instance.
    """

    file: Text
    instance: Text
    measured_on: Text
    measured_on_instance: bool


class Payload(Table):
    """A media type of requests or of answers: its shape in words, and the limits."""

    content_type: Text
    format: Text
    limits: Text


class Listing(Table):
    """The product's page."""

    title: Text
    short_description: Text
    use_case: Text
    input_type: Text
    overview: Text
    metric: Metric
    training: Training
    performance: Performance
    input: Annotated[list[Payload], Field(min_length=1)]
    output: Annotated[list[Payload], Field(min_length=1)]


def read_listing(model: Path) -> Listing:
    """Return the listing of a model folder; raise `Refused` with everything that is wrong with its file."""
    return read_table(model / FOLDER / FILE, Listing)


def faults(model: Path, listing: Listing, seller: Seller) -> Iterator[str]:
    """Yield a sentence for everything that curation would send back."""
    folder = model / FOLDER
    yield from _says_what_it_is(listing)
    yield from _fits_the_package(listing, seller)
    yield from _numbers(folder / listing.performance.file)
    yield from layout_faults(folder / DATA)
    yield from _types_have_samples(folder / DATA, seller)
    yield from notebook.faults(folder / notebook.FILE)


def notes(listing: Listing) -> Iterator[str]:
    """Yield what is to be done before publishing, and cannot be done here."""
    speed = listing.performance
    if not speed.measured_on_instance:
        yield (
            f"The latency was measured on {speed.measured_on}, and not on the {speed.instance} that is recommended: "
            "measure there, and write measured_on_instance = true, before the listing is published."
        )
    if note := listing.metric.note():
        yield note


def _says_what_it_is(listing: Listing) -> Iterator[str]:
    for field in ("use_case", "input_type"):
        text = getattr(listing, field)
        if text.lower() not in listing.short_description.lower():
            yield f"short_description does not name the {field.replace('_', ' ')}, {text!r}."


def _fits_the_package(listing: Listing, seller: Seller) -> Iterator[str]:
    described = {"input": listing.input, "output": listing.output}
    sold = {"input": seller.content_types, "output": seller.response_types}
    for place, payloads in described.items():
        types = [one.content_type for one in payloads]
        for missing in sorted(set(sold[place]) - set(types)):
            yield f"{place}: {missing} is in seller.toml, and the listing does not describe it."
        for more in sorted(set(types) - set(sold[place])):
            yield f"{place}: {more} is described, and seller.toml does not have it."
    kind = listing.performance.instance
    for name in ("real_time_instances", "transform_instances"):
        if kind not in getattr(seller, name):
            yield f"performance.instance: {kind} is recommended, and is not among {name} in seller.toml."


def _numbers(path: Path) -> Iterator[str]:
    """Yield what the benchmark's file lacks."""
    again = "make bench MODEL=… OPTIONS='--json' prints it."
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"performance.file: there is no {path}. {again}"
        return
    except ValueError as error:
        yield f"performance.file: {path} is not JSON: {error}. {again}"
        return
    for name in ("p50_ms", "p99_ms", "rate"):
        if not isinstance(_capacity(measured).get(name), int | float):
            yield f"performance.file: {path} has no number capacity.{name}. {again}"


def _capacity(measured: Any) -> dict[str, Any]:
    found = measured.get("capacity") if isinstance(measured, dict) else None
    return found if isinstance(found, dict) else {}


def _types_have_samples(data: Path, seller: Seller) -> Iterator[str]:
    shipped = {TYPES.get(Path(name).suffix) for name in files(data / "input" / REAL_TIME)}
    for missing in sorted(set(seller.content_types) - shipped):
        yield f"{data / 'input' / REAL_TIME} has no sample of {missing}, which seller.toml sells."
