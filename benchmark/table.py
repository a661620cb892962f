"""The results as a page of Markdown tables."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmark.catalogue import COMPILED, OURS
from benchmark.ratios import Row, middle, ratio

Document = dict[str, Any]
NOTHING = "-"
CHAMPIONS = (OURS, COMPILED)  # each is compared with all the others


def page(document: Document) -> str:
    """Return everything that a reader wants to see of a run."""
    models = list(dict.fromkeys(row["model"] for row in document["closed"]))
    parts = [machine(document), *(of_model(document, model) for model in models)]
    parts += [offered(document), memory(document), skipped(document)]
    return "\n\n".join(part for part in parts if part) + "\n"


def machine(document: Document) -> str:
    """Return where it was measured."""
    there, plan = document["machine"], document["plan"]
    packages = ", ".join(f"{name} {version}" for name, version in there["packages"].items())
    peers = ", ".join(f"{name} {version}" for name, version in document["versions"].items() if version)
    where = f"{there['cores']} cores ({there['cpu']}), {there['memory_gb']} GB, {there['system']}, {there['kernel']}"
    what = f"Python {there['python']}, {there['nginx']}, {there['wrk'].partition(' Copyright')[0]}"
    how = f"2 workers, one row per request, rounds of {plan['seconds']:g} s: {plan['rounds']}"
    briefly = f"and {plan['few_rounds']} for all models but the first"
    lines = (
        f"{where}, {what}.  ",
        f"Ours at commit {there['commit']}: {packages}.  ",
        f"Peers: {peers or 'none'}.  ",
        f"{how}, {briefly}; load and servers on the same machine; medians.",
    )
    return f"# Measured on {there['when'][:10]}\n\n" + "\n".join(lines)


def of_model(document: Document, model: str) -> str:
    """Return the closed-loop tables of one model."""
    rows = [row for row in document["closed"] if row["model"] == model]
    servers = names(rows)
    concurrencies = sorted({row["concurrency"] for row in rows})
    headings = [f"{count}" for count in concurrencies]
    busiest = 128 if 128 in concurrencies else concurrencies[-1]

    def cells(field: str, style: str) -> Callable[[str], list[str]]:
        return lambda server: [
            shown(median_of(rows, field, server=server, concurrency=count), style) for count in concurrencies
        ]

    def costs(server: str) -> list[str]:
        here = {"server": server, "concurrency": busiest}
        fields = (("cpu_us", ".0f"), ("ping_p99_ms", ".1f"), ("ping_errors", ".0f"), ("pss_mb", ".0f"))
        seconds = median_of(document["starts"], "seconds", server=server, model=model)
        return [*(shown(median_of(rows, field, **here), style) for field, style in fields), shown(seconds, ".1f")]

    def divided(champion: str) -> str:
        about = f"Answers per second of {champion} divided by each server's, in the same round, by connections"
        return table(
            about,
            headings,
            servers,
            lambda server: [shown(ratio_of(rows, champion, server, count), ".2f") for count in concurrencies],
        )

    costly = ["CPU µs per request", "ping p99 ms", "failed pings", "MB (PSS)", "start s"]
    return "\n\n".join(
        (
            f"## {model}",
            alone(document["limits"].get(model, {}), document["machine"]["cores"]),
            table("Right answers per second, by connections", headings, servers, cells("rate", ",.0f")),
            table("p99 in ms, by connections", headings, servers, cells("p99_ms", ".1f")),
            table("p99.9 in ms, by connections", headings, servers, cells("p999_ms", ".1f")),
            table("Errors, by connections", headings, servers, cells("errors", ".0f")),
            table(f"Under {busiest} connections", costly, servers, costs),
            *(divided(champion) for champion in CHAMPIONS if champion in servers),
        )
    )


def alone(rates: dict[str, float], cores: int) -> str:
    """Return what the model does without a server."""
    listed = ", ".join(f"{rate:,.0f} in batches of {batch}" for batch, rate in rates.items())
    return f"The model alone, rows per second on one of the {cores} cores: {listed}." if rates else ""


def offered(document: Document) -> str:
    """Return the open-loop table: what each server made of each rate."""
    rows = document["offered"]
    if not rows:
        return ""
    rates = [f"{rate:g}" for rate in sorted({row["rate"] for row in rows})]

    def cells(server: str) -> list[str]:
        of_server = {f"{row['rate']:g}": row for row in rows if row["server"] == server}
        return [holds(of_server.get(rate)) for rate in rates]

    heading = f"## {rows[0]['model']} at fixed rates"
    about = "p99 in ms from the moment at which a request was meant to be sent; in brackets, the answers per second"
    about += " within 1 s where they are fewer than 95 % of what was offered, and no higher rate was tried"
    return "\n\n".join((heading, table(about, rates, names(rows), cells)))


def holds(row: Row | None) -> str:
    """Return one rate's cell."""
    if row is None:
        return NOTHING
    useful, rate, p99 = (float(str(row[field])) for field in ("useful", "rate", "p99_ms"))
    lost = f" [{row['errors']} failed]" if row["errors"] else ""
    return shown(p99, ".1f") + (f" ({useful:.0f}/s)" if useful < 0.95 * rate else "") + lost


def memory(document: Document) -> str:
    """Return the memory table."""
    rows = document["memory"]
    if not rows:
        return ""
    counts = sorted({row["workers"] for row in rows})

    def cells(server: str) -> list[str]:
        of_server = [median_of(rows, "pss_mb", server=server, workers=count) for count in counts]
        growth = of_server[-1] / of_server[0]
        return [*(shown(value, ",.0f") for value in of_server), shown(growth, ".2f")]

    headings = [*map(str, counts), f"{counts[-1]} against {counts[0]}"]
    return f"## Memory: {rows[0]['model']}\n\n" + table("MB (PSS), by workers", headings, names(rows), cells)


def skipped(document: Document) -> str:
    """Return what was left out, and why."""
    lines = (f"- {row['server']}, {row['model'] or 'every model'}: {row['reason']}" for row in document["skipped"])
    return "## Left out\n\n" + "\n".join(lines) if document["skipped"] else ""


def table(about: str, headings: Sequence[str], servers: Iterable[str], cells: Callable[[str], list[str]]) -> str:
    """Return a table with a line for each server."""
    lines = [f"| {' | '.join(('server', *headings))} |", "|---|" + "---:|" * len(headings)]
    lines += [f"| {server} | {' | '.join(cells(server))} |" for server in servers]
    return f"{about}:\n\n" + "\n".join(lines)


def names(rows: Iterable[Row]) -> list[str]:
    """Return the servers in the order in which they took turns."""
    return list(dict.fromkeys(str(row["server"]) for row in rows))


def median_of(rows: Iterable[Row], field: str, **wanted: object) -> float:
    """Return the median of *field* over the rounds."""
    matching = (row for row in rows if all(row[name] == value for name, value in wanted.items()))
    return middle(float(str(row[field])) for row in matching if row[field] is not None)


def ratio_of(rows: Sequence[Row], champion: str, server: str, concurrency: int) -> float:
    """Return how many times as much *champion* answers as *server*."""

    def of(name: str) -> Callable[[Row], bool]:
        return lambda row: row["server"] == name and row["concurrency"] == concurrency

    return ratio(rows, "rate", of(champion), of(server))


def shown(value: float, style: str) -> str:
    """Return the number, or a dash where there is none."""
    return NOTHING if math.isnan(value) else format(value, style)
