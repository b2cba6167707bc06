"""How are the figures shown and kept?"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from bench.cold import Start
from bench.flash import Flash, Side
from bench.grow import Growth
from bench.imports import Imported
from bench.live import Fanout, Latency
from bench.load import Load
from bench.waiting import Idle, Traffic

RESULTS = Path(__file__).resolve().parent / "results"
BUSY = 0.9
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Result:
    """A scenario at one concurrency beside the bare answer measured just before it."""

    scenario: str
    load: Load
    bare: Load
    rate_to_bare: float
    cpu_to_bare: float | None

    @classmethod
    def of(cls, scenario: str, load: Load, bare: Load) -> Result:
        rate = load.per_second / bare.per_second if bare.per_second else 0.0
        cpu = load.app_cpu_ms / bare.app_cpu_ms if load.app_cpu_ms is not None and bare.app_cpu_ms else None
        return cls(scenario, load, bare, rate, cpu)


@dataclass(slots=True)
class Report:
    """Everything that a run found out."""

    database: str = ""
    seconds: float = 0
    results: list[Result] = field(default_factory=list)
    flash: Flash | None = None
    fanout: Fanout | None = None
    idle: Idle | None = None
    traffic: Traffic | None = None
    latency: Latency | None = None
    imports: list[Imported] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    python: str = field(default_factory=platform.python_version)
    processors: int | None = field(default_factory=os.cpu_count)
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_anything(self) -> bool:
        """Whether anything was found out."""
        alone = (self.flash, self.fanout, self.idle, self.traffic, self.latency, self.imports, self.starts, self.growth)
        return bool(self.results) or any(alone)

    @property
    def failures(self) -> int:
        buying = self.traffic.failures if self.traffic else 0
        return buying + sum(result.load.failures + result.bare.failures for result in self.results)

    @property
    def has_failed(self) -> bool:
        rushes = self.flash.rushes if self.flash else []
        inexact = self.flash is not None and bool(self.flash.wrong)
        return bool(self.failures or self.unanswered or inexact or any(rush.failures for rush in rushes))

    @property
    def unanswered(self) -> list[str]:
        """The loads in which nothing succeeded."""
        return [result.scenario for result in self.results if not result.load.operations]


def write(report: Report) -> Path:
    """Keep a report as JSON under the time it was taken."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{report.taken_at:%Y%m%dT%H%M%S}.json"
    path.write_bytes(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
    return path


def show(report: Report, console: Console) -> None:
    if report.results:
        console.print(_loads(report))
    if report.flash:
        _show_flash(report.flash, console)
    if report.fanout:
        console.print(_fanout(report.fanout))
    if report.idle:
        console.print(_idle(report.idle))
    if report.traffic:
        console.print(_traffic(report.traffic))
    if report.latency:
        console.print(_latency(report.latency))
    if report.imports:
        console.print(_imports(report.imports))
    if report.starts:
        console.print(_starts(report))
    if report.growth:
        console.print(_growth(report.growth))
    _show_remarks(report, console)


def _show_remarks(report: Report, console: Console) -> None:
    for result in report.results:
        for reason in (*result.load.reasons, *result.bare.reasons):
            console.print(f"{result.scenario}, {result.load.concurrency} clients: {reason}", style="red", markup=False)
    if any(result.load.client_busy > BUSY for result in report.results):
        console.print("* the client's core was full: the server can do more than this", style="yellow")


def _loads(report: Report) -> Table:
    table = Table(title=f"Operations on {report.database}, {report.seconds:g} s each")
    table.add_column("scenario")
    for name in ("clients", "per s", "p50 ms", "p95 ms", "app CPU ms", "db CPU ms", "SQL", "kB"):
        table.add_column(name, justify="right")
    for name in ("bare per s", "rate : bare", "CPU : bare", "failed"):
        table.add_column(name, justify="right")
    for result in report.results:
        load, bare = result.load, result.bare
        table.add_row(
            result.scenario,
            str(load.concurrency),
            _number(load.per_second, mark=load.client_busy > BUSY),
            _number(load.p50_ms),
            _number(load.p95_ms),
            _number(load.app_cpu_ms),
            _number(load.database_cpu_ms),
            _number(load.statements),
            _number(load.bytes / 1000),
            _number(bare.per_second, mark=bare.client_busy > BUSY),
            f"{100 * result.rate_to_bare:.1f} %",
            NOTHING if result.cpu_to_bare is None else f"{_number(result.cpu_to_bare)} x",
            str(load.failures),
            style="red" if load.failures else None,
        )
    return table


def _show_flash(flash: Flash, console: Console) -> None:
    console.print(_rushes(flash))
    for rush in flash.rushes:
        for reason in rush.reasons:
            console.print(f"{rush.way}, {rush.processes} processes: {reason}", style="red", markup=False)
    for wrong in flash.wrong:
        console.print(f"NOT EXACT: {wrong}", style="red", markup=False)
    if not flash.wrong:
        console.print("Levels, ledger and allocations agree with what was sold.")


def _rushes(flash: Flash) -> Table:
    table = Table(title=f"Flash sale on {flash.database}: one hot variant, and 1,000 different ones")
    table.add_column("flash", no_wrap=True)
    for name in ("processes", "hot per s", "spread per s", "hot : spread"):
        table.add_column(name, justify="right")
    for side in ("hot", "spread"):
        for name in ("app ms", "db ms", "SQL"):
            table.add_column(f"{side} {name}", justify="right")
    table.add_column("failed", justify="right")
    for rush in flash.rushes:
        table.add_row(
            rush.way,
            str(rush.processes),
            _number(rush.hot.per_second),
            _number(rush.spread.per_second),
            f"{100 * rush.hot_to_spread:.0f} %",
            *_costs(rush.hot),
            *_costs(rush.spread),
            str(rush.failures),
            style="red" if rush.failures else None,
        )
    return table


def _costs(side: Side) -> list[str]:
    return [_number(cost) for cost in (side.app_cpu_ms, side.database_cpu_ms, side.statements)]


def _fanout(fanout: Fanout) -> Table:
    title = f"One event to {fanout.sockets:,} sockets on {fanout.database}, all there after {fanout.connected_s:.1f} s"
    storm = f"{fanout.storm:,} more that came at one moment had the present state after {fanout.storm_s:.2f} s."
    ratio = fanout.busy_page_p95_ms / fanout.page_p95_ms
    page = (
        f"A product page, p95: {_number(fanout.page_p95_ms)} ms while all are silent, "
        f"{_number(fanout.busy_page_p95_ms)} ms while all are told ({ratio:.1f} x)."
    )
    table = Table(title=title, caption=f"{storm}\n{page}", caption_justify="left")
    table.add_column("fanout")
    for name in ("p50 ms", "p99 ms", "CPU ms", "idle kB a socket"):
        table.add_column(name, justify="right")
    ours, bare = fanout.ours, fanout.bare
    for name, one, cpu, kb in (
        ("ours", ours, fanout.cpu_ms, fanout.kb),
        ("bare loop", bare, fanout.bare_cpu_ms, fanout.bare_kb),
    ):
        table.add_row(name, _number(one.p50_ms), _number(one.p99_ms), _number(cpu), _number(kb))
    ratios = (fanout.p99_to_bare, fanout.cpu_ms / fanout.bare_cpu_ms, fanout.kb / fanout.bare_kb)
    table.add_row("ours : bare", "", *(f"{ratio:.1f} x" for ratio in ratios))
    return table


def _idle(idle: Idle) -> Table:
    title = (
        f"{idle.sockets:,} sockets to which nothing happens on {idle.database}, there after {idle.connected_s:.1f} s"
    )
    table = Table(title=title)
    table.add_column("idle")
    for name in ("kB a socket", "% of a core, all"):
        table.add_column(name, justify="right")
    table.add_row("ours", _number(idle.kb), _number(100 * idle.cpu_share))
    return table


def _traffic(traffic: Traffic) -> Table:
    title = f"Checkouts on {traffic.database}: alone, and while {traffic.followers:,} sockets follow what is bought"
    table = Table(title=title)
    table.add_column("traffic")
    for name in ("alone per s", "followed per s", "followed : alone", "told", "failed"):
        table.add_column(name, justify="right")
    rates = _number(traffic.alone), _number(traffic.followed)
    table.add_row("checkout", *rates, f"{100 * traffic.share:.0f} %", f"{traffic.frames:,}", str(traffic.failures))
    return table


def _latency(latency: Latency) -> Table:
    table = Table(title=f"From writing in one process to hearing in another, {latency.events} events")
    table.add_column("latency")
    for name in ("p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    table.add_row(latency.carrier, _number(latency.p50_ms), _number(latency.p99_ms))
    return table


def _imports(imports: Sequence[Imported]) -> Table:
    table = Table(title="A product file in Shopify's CSV format, three rows a product")
    table.add_column("import")
    for name in ("rows", "rows per s", "rows per CPU s", "peak MB"):
        table.add_column(name, justify="right")
    for each in imports:
        table.add_row(
            each.name,
            f"{each.rows:,}",
            _number(each.per_second),
            _number(each.per_cpu_second),
            _number(each.peak_mb),
        )
    return table


def _starts(report: Report) -> Table:
    table = Table(title="From start to the first answered product list")
    table.add_column("cold")
    for name in ("median s", "CPU s", "to bare", "runs s"):
        table.add_column(name, justify="right")
    bare = report.starts[0].median_s
    for start in report.starts:
        runs = " ".join(f"{taken:.2f}" for taken in start.runs_s)
        ratio = f"{start.median_s / bare:.1f} x"
        table.add_row(start.name, f"{start.median_s:.2f}", _number(start.median_cpu_s), ratio, runs)
    return table


def _growth(growth: Sequence[Growth]) -> Table:
    sizes = growth[0].sizes
    table = Table(title=f"The same reads of a shop that grows, on {growth[0].database}: milliseconds anew, and again")
    table.add_column("grow", no_wrap=True)
    for size in sizes:
        table.add_column(f"{size:,} anew", justify="right")
        table.add_column("again", justify="right")
    for name in ("ratio anew", "ratio again", "SQL"):
        table.add_column(name, justify="right")
    for read in growth:
        times = [_number(ms) for taken in read.taken for ms in (taken.anew_ms, taken.again_ms)]
        ratios = [f"{ratio:.1f} x" for ratio in (read.ratio_anew, read.ratio)]
        table.add_row(read.name, *times, *ratios, str(max(taken.statements for taken in read.taken)))
    return table


def _number(value: float | None, *, mark: bool = False) -> str:
    if value is None:
        return NOTHING
    digits = 0 if value >= 100 else 1 if value >= 10 else 2  # noqa: PLR2004 - three digits are what a figure is good for
    return f"{value:,.{digits}f}{'*' if mark else ''}"
