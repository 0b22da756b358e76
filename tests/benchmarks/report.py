"""Writes the results as Markdown, and puts that into a document between two marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.cases import (
    BULK_CONNECTIONS,
    BULK_IMAGES,
    FLOOR,
    GEVENT_FLOOR,
    STOCK_FLOOR,
    Load,
    Server,
)
from tests.benchmarks.summary import BUSY, ONE, Budget, Summary, budgets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

START, END = "<!-- benchmark: start -->", "<!-- benchmark: end -->"
NONE = "-"
_FLOORS = {
    FLOOR: "floor",
    STOCK_FLOOR: "floor with gunicorn's own `-k asgi`",
    GEVENT_FLOOR: "Flask as floor, with gunicorn's own `-k gevent`",
}
BESIDE_RUNTIME = (
    "Of the runtime alone: one image at a time for one connection, else the best it can do on "
    "all cores."
)
TITLES = {"openvino": "OpenVINO", "tensorflow": "TensorFlow"}


def overview(summary: Summary) -> str:
    """Render what matters: the setting, rates, costs, budgets."""
    parts = [_setting(summary)]
    for model in summary.results.parameters:
        parts += [_rates(summary, model), _ratios(summary, model)]
    parts += [_costs(summary), _alone(summary), _budgets(budgets(summary))]
    return "\n\n".join(parts) + "\n"


def details(summary: Summary) -> str:
    """Render everything about every server under every load."""
    parts = [f"{BESIDE_RUNTIME} Spread: the range of the runs, as a share of their median."]
    for model in summary.results.parameters:
        parts += [_load_table(summary, model, load) for load in summary.loads]
    return "\n\n".join(parts) + "\n"


def replace_section(document: str, section: str) -> str:
    """Put a section between the marks of a document.

    Raises:
        ValueError: If the document has not got each mark once, in their order.
    """
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end or START in rest or END in after:
        raise ValueError(f"one {START} and, after it, one {END} are expected")
    return f"{before}{START}\n{section.strip()}\n{END}{after}"


def _setting(summary: Summary) -> str:
    results = summary.results
    machine = dict(results.machine)
    cpu, cores = machine.pop("cpu"), machine.pop("cores")
    settings = machine.pop("settings")
    glyph = f"Glyph with {settings}" if settings else "Glyph as it comes"
    versions = ", ".join(f"{name} {version}" for name, version in machine.items())
    return (
        f"Measured by `python -m tests.benchmarks` on {cpu}, {cores} cores, on which the load "
        f"generator (wrk) runs too;\n{versions}; {glyph}.\n"
        f"Medians of {_plural(results.repeats, 'run')} of {results.seconds} s, interleaved. The "
        "floor parses the same bodies with two\nworkers of the same class and answers at once, "
        "without a model; naive is a Flask application that calls the model once per request\n"
        "(`gunicorn -w 2 --threads 8`). Requests/s with one image each as JSON; images/s in bulk, "
        f"{BULK_IMAGES} images per request over {BULK_CONNECTIONS} connections."
    )


def _rates(summary: Summary, model: str) -> str:
    head = f"`{model}`, {summary.results.parameters[model]:,} parameters:"
    loads = summary.loads
    rows = [
        [_title(summary, server), *(_cell(summary, server, load) for load in loads)]
        for server in _of_model(summary, model)
    ]
    return f"{head}\n\n{table(['server', *map(_load_title, loads)], rows)}"


def _cell(summary: Summary, server: Server, load: Load) -> str:
    rate = summary.of(server, load, "images_per_s")
    failed = summary.failures(server, load)
    return _number(rate) + (f" ({failed} failed)" if failed else "")


def _ratios(summary: Summary, model: str) -> str:
    loads = summary.loads
    rows = []
    for glyph in _of_model(summary, model):
        if glyph.kind != "glyph":
            continue
        naive = Server("naive", model, glyph.runtime)
        rows += [
            [_title(summary, glyph), "of the floor"]
            + [_percent(summary.beside(glyph, FLOOR, load)) for load in loads],
            [_title(summary, glyph), "of the runtime alone"]
            + [_percent(summary.beside_runtime(glyph, load)) for load in loads],
            [_title(summary, glyph), "of the naive service"]
            + [_times(summary.beside(glyph, naive, load)) for load in loads],
        ]
    head = ["server", "share", *map(_load_title, loads)]
    return f"{BESIDE_RUNTIME}\n\n{table(head, rows, text_columns=2)}"


def _costs(summary: Summary) -> str:
    rows = [
        [
            server.model or NONE,
            _title(summary, server),
            _number(summary.of(server, ONE, "p50_ms"), 2),
            _number(summary.of(server, BUSY, "p99_ms"), 1),
            _number(summary.of(server, BUSY, "cpu_s_per_1000"), 2),
            _number(summary.memory_mib(server)),
            _number(summary.start_s(server), 1),
        ]
        for server in summary.servers
    ]
    head = ["model", "server", "p50 ms", "p99 ms", "CPU s", "memory MiB", "cold start s"]
    about = (
        "Latency and costs with single images: p50 at one connection; p99 and CPU seconds per "
        "1,000 requests at 32;\nmemory of all processes (PSS) after load; time from the command "
        "to the first prediction."
    )
    return f"{about}\n\n{table(head, rows, text_columns=2)}"


def _alone(summary: Summary) -> str:
    alone = dict.fromkeys((rate.model, rate.runtime) for rate in summary.results.rates)
    batches = summary.batches
    rows = []
    for model, runtime in alone:
        rates = [summary.rate(model, runtime, *batch) for batch in batches]
        name = f"{TITLES[runtime]} {summary.precision(model, runtime)}"
        one_ms = 1000 / rates[0] if rates[0] else None
        rows.append([model, name, *map(_number, rates), _number(one_ms, 2)])
    head = ["model", "runtime", *map(_batch_title, batches), "one image, ms"]
    about = "The runtime alone, called in a fresh process, one thread per stream, images/s:"
    return f"{about}\n\n{table(head, rows, text_columns=2)}"


def _batch_title(batch: tuple[int, int]) -> str:
    size, streams = batch
    return f"batch {size}" if streams == 1 else f"batch {size}, {streams} streams"


def _budgets(found: Sequence[Budget]) -> str:
    rows = [
        [
            budget.what,
            _amount(budget.measured, budget.unit),
            f"{'≥' if budget.at_least else '≤'} {_amount(budget.bound, budget.unit)}",
            "met" if budget.met else "missed",
        ]
        for budget in found
    ]
    return "Budgets:\n\n" + table(["what", "measured", "budget", ""], rows)


def _load_table(summary: Summary, model: str, load: Load) -> str:
    rows = []
    for server in _of_model(summary, model):
        if not server.takes(load):
            continue
        naive = Server("naive", server.model, server.runtime)
        rows.append(
            [
                _title(summary, server),
                _number(summary.of(server, load, "images_per_s")),
                _percent(summary.beside(server, FLOOR, load)),
                _percent(summary.beside_runtime(server, load)),
                _times(summary.beside(server, naive, load)),
                _number(summary.of(server, load, "p50_ms"), 2),
                _number(summary.of(server, load, "p99_ms"), 2),
                _number(summary.of(server, load, "cpu_s_per_1000"), 2),
                str(summary.failures(server, load)),
                _percent(summary.spread(server, load)),
            ]
        )
    rate = "images/s" if load.bulk else "requests/s"
    head = ["server", rate, "of the floor", "of the runtime alone", "of the naive service"]
    head += ["p50 ms", "p99 ms", "CPU s per 1,000 requests", "failures", "spread"]
    images = _plural(load.images, "image")
    title = f"`{model}`, {images} per request as {_format(load)}, "
    return f"{title}{_plural(load.connections, 'connection')}:\n\n{table(head, rows)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Render a Markdown table; columns after the first few are aligned as numbers."""
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _of_model(summary: Summary, model: str) -> list[Server]:
    return [server for server in summary.servers if server.model in ("", model)]


def _title(summary: Summary, server: Server) -> str:
    if server in _FLOORS:
        return _FLOORS[server]
    if server.kind == "naive":
        return f"naive, {TITLES[server.runtime]}"
    return f"**Glyph**, {TITLES[server.runtime]} {summary.precision(server.model, server.runtime)}"


def _load_title(load: Load) -> str:
    if load.bulk:
        return f"bulk as {_format(load)}"
    return _plural(load.connections, "connection")


def _format(load: Load) -> str:
    return {"json": "JSON", "raw": "raw bytes"}[load.format]


def _amount(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.0f} %"
    return f"{_number(value, {'ms': 2, 's': 1, 'MiB': 0}[unit])} {unit}"


def _number(value: float | None, decimals: int = 0) -> str:
    return NONE if value is None or value != value else f"{value:,.{decimals}f}"  # noqa: PLR0124 - NaN


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _times(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} x"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
