"""A window or a day of a camera -> a page for people and numbers for flows. The only file that imports Evidently.

Evidently's tests carry our limits, so its verdict is ours: a test fails where a statistic is surely beyond them, and
warns where it is suspect. Image statistics that drift only warn, for another mix of parts makes them drift, too.
"""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite, nextafter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from inspection import files
from monitoring.judgement.limit import Limit
from monitoring.telling.courses import told, unit_of

Outcome = Literal["within", "suspect", "sure"]

METHOD = "wasserstein"  # Evidently's name for the distance below
MARGIN = 1.5  # a column's threshold over the largest distance that clean windows showed
LEAST = 0.3  # ... and never below this many standard deviations of the reference
OUTCOMES: dict[str, Outcome] = {"SUCCESS": "within", "WARNING": "suspect"}  # of Evidently's status; the others: sure
SLOWLY = ", slowly"

HEADING = """\
<header style="font:400 16px/1.5 Arial,sans-serif;max-width:900px;margin:24px auto;padding:0 16px;color:#1c2530">
<h1 style="font-size:24px;line-height:1.25;margin:0 0 8px">{title}</h1>
<p style="margin:0 0 12px;padding:8px 12px;background:{colour};color:#fff;font-weight:bold">{verdict}</p>
<p style="margin:0 0 12px">{drifted}</p>
{table}{pictures}
<p style="margin:16px 0 0;color:#566270">{rows} pictures are compared with {reference} of healthy days. Below,
the details as Evidently shows them: its tests carry the same limits as the sentences above; FAIL is "surely changed",
WARNING is "suspect", or an image statistic that drifted.</p></header>"""
COLOURS: dict[Outcome, str] = {"within": "#1b6b3a", "suspect": "#8a5300", "sure": "#a8201a"}
VERDICTS: dict[Outcome, str] = {
    "within": "Healthy: everything that is measured of this camera lies within its limits.",
    "suspect": "Perhaps changed: {names}. One such window is no alarm; the next ones decide.",
    "sure": "Changed: {names}.",
}
CONFIRMED = "Changed: {names}. No window alone was sure of it, but several in a row showed it."
CELL = 'style="text-align:left;padding:4px 16px 4px 0;border-top:1px solid #dfe4e9;font-weight:normal"'


@dataclass(frozen=True)
class Size:
    """A statistic as these windows show it: the value furthest out, the limits that hold for it, its name in words, and
    in how many of them a slow change has added up."""

    statistic: str
    words: str
    size: float
    limit: Limit
    slow: int = 0


def sizes(windows: Sequence[Mapping[str, Any]], limits: Mapping[str, Limit], words: Mapping[str, str]) -> list[Size]:
    """What `windows` (as JSON, judged by these `limits`) show of each statistic that was measured in them."""
    found = []
    for name, limit in limits.items():
        values = [float(one["values"][name]) for one in windows if name in one["values"]]
        if values:
            slow = sum(_added_up(finding, name, limit) for one in windows for finding in one["findings"])
            found.append(Size(name, words.get(name, name), max(values, key=_beyond(limit)), limit, slow))
    return found


def distance(reference: Sequence[float], current: Sequence[float]) -> float:
    """First Wasserstein distance in standard deviations of `reference` (Evidently's "wasserstein"); 0 is equal."""
    norm = max(float(np.std(np.asarray(reference, np.float64))), 0.001)
    return float(wasserstein_distance(reference, current)) / norm


def thresholds(windows: Sequence[pd.DataFrame], reference: pd.DataFrame) -> dict[str, float]:
    """Column -> the distance from which it has drifted, so that none of the clean `windows` has.

    Evidently's own 0.1 fires on nearly every clean window of a line whose lamps wobble.
    """
    return {
        str(name): max(LEAST, MARGIN * max((distance(reference[name], seen[name]) for seen in windows), default=0.0))
        for name in reference.columns
    }


def write(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    limits: Mapping[str, float],
    sizes: Sequence[Size],
    title: str,
    path: Path,
    pictures: Sequence[tuple[str, bytes]] = (),
    confirmed: bool = False,
) -> dict[str, Any]:
    """Write the page to `path` and return Evidently's verdicts, ready for JSON.

    Args:
        reference, current: one row per image, the columns of `limits`.
        limits: column -> distance from which it has drifted, as `thresholds` gives it.
        pictures: (caption, PNG) that stand on the page.
        confirmed: whether other windows have confirmed what these suspect, so that it is an incident.

    Returns:
        {"columns": {name: {"distance", "threshold", "drifted"}}, "tests": {statistic: within | suspect | sure},
        "outcome": the worst of the tests, "html": name}
    """
    snapshot = _run(reference, current, limits, sizes)
    told = snapshot.dict()
    said = _outcomes(told)
    tests = {one.statistic: _worst([said[one.statistic], said.get(one.statistic + SLOWLY, "within")]) for one in sizes}
    found = {
        "columns": _columns(told, said, limits),
        "tests": tests,
        "outcome": _worst(tests.values()),
        "html": path.name,
    }
    heading = _heading(title, found, sizes, pictures, (len(current), len(reference)), confirmed)
    files.write(path, _page(snapshot.get_html_str(as_iframe=False), title, heading))
    return found


def load() -> None:
    """Import Evidently, which takes seconds, while something else is waited for anyway."""
    import evidently  # noqa: F401


def _run(reference: pd.DataFrame, current: pd.DataFrame, limits: Mapping[str, float], sizes: Sequence[Size]) -> Any:
    """Evidently's Snapshot of the comparison."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.tests import lt

    columns = list(limits)
    numbers = DataDefinition(numerical_columns=columns)  # left to guess, it takes few values for a category
    before, now = (
        Dataset.from_pandas(frame[columns].astype(np.float64).reset_index(drop=True), data_definition=numbers)
        for frame in (reference, current)
    )
    metrics = [metric for one in sizes for metric in _metrics(one)]
    for name in columns:
        drifted = [lt(limits[name], is_critical=False)]
        metrics.append(ValueDrift(column=name, method=METHOD, threshold=limits[name], tests=drifted))
    return Report(metrics, include_tests=True).run(now, before)


def _metrics(one: Size) -> list[Any]:
    """The size within its two pairs of limits, and that no slow change has added up in it."""
    from evidently.tests import gt, lt

    limit, size = one.limit, _size()
    unit, scale = unit_of(one.statistic)
    named = f"{one.words} ({unit})" if unit else one.words
    checks = [
        test(_scaled(bound, one.size, scale), is_critical=critical)
        for test, bound, critical in (
            (gt, limit.low, False),
            (lt, limit.high, False),
            (gt, limit.sure_low, True),
            (lt, limit.sure_high, True),
        )
        if isfinite(bound)
    ]
    metrics = [size(statistic=one.statistic, words=named, size=scale * one.size, tests=checks)]
    if limit.climb or one.slow:
        words = f"{one.words}: windows with a slow change"
        metrics.append(size(statistic=one.statistic + SLOWLY, words=words, size=one.slow, tests=[lt(1)]))
    return metrics


def _scaled(bound: float, value: float, scale: int) -> float:
    """A bound in the unit that people read, on the same side of the value there as it was, to the last digit."""
    there, here = scale * bound, scale * value
    return nextafter(here, inf if bound > value else -inf) if there == here and bound != value else there


@cache
def _size() -> type[Any]:
    """Evidently's metric of a number that Andon has measured: it brings the number in, so that tests can hold it."""
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

    class Size(SingleValueMetric):  # type: ignore[misc]
        statistic: str
        words: str
        size: float

    class SizeCalculation(SingleValueCalculation[Size]):  # type: ignore[misc]
        def calculate(self, _context: Any, _current: Any, _reference: Any) -> Any:
            result = self.result(self.metric.size)
            result.widget = []  # the table of tests shows it
            return result

        def display_name(self) -> str:
            return str(self.metric.words)

    return Size


def _columns(
    told: Mapping[str, Any], tests: Mapping[str, Outcome], limits: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Column -> what Evidently found of it."""
    drifts = {
        metric["config"]["column"]: float(metric["value"]) for metric in told["metrics"] if "column" in metric["config"]
    }
    return {
        name: {"distance": drifts[name], "threshold": float(limits[name]), "drifted": tests[name] != "within"}
        for name in limits
    }


def _outcomes(told: Mapping[str, Any]) -> dict[str, Outcome]:
    """Column or statistic -> the worst that Evidently's tests say of it."""
    found: dict[str, list[Outcome]] = {}
    for metric in told["metrics"]:
        found[str(metric["config"].get("column") or metric["config"]["statistic"])] = []
    for test in told["tests"]:
        params = test["metric_config"]["params"]
        found[str(params.get("column") or params["statistic"])].append(OUTCOMES.get(test["status"], "sure"))
    return {name: _worst(said) for name, said in found.items()}


def _worst(said: Iterable[Outcome]) -> Outcome:
    return max(said, key=list(COLOURS).index, default="within")


def _beyond(limit: Limit) -> Any:
    """How far a value lies beyond the limits, below 0 within them: the key by which the furthest value is found."""
    return lambda value: max(limit.low - value, value - limit.high)


def _added_up(finding: Mapping[str, Any], name: str, limit: Limit) -> bool:
    """Whether a finding of this statistic is sure although no single window is: a CUSUM found it."""
    if finding["statistic"] != name or not finding.get("sure"):
        return False
    return bool(finding.get("slow")) or limit.sure_low < finding["size"] < limit.sure_high


def _heading(
    title: str,
    found: Mapping[str, Any],
    sizes: Sequence[Size],
    pictures: Sequence[tuple[str, bytes]],
    rows: tuple[int, int],
    confirmed: bool,
) -> str:
    """The outcome in plain words, what is beyond its limits as a table, and the pictures."""
    beyond = [one for one in sizes if found["tests"][one.statistic] != "within"]
    outcome: Outcome = found["outcome"]
    said = VERDICTS[outcome] if sizes else "No window of this time was judged."
    if confirmed and outcome == "suspect":
        outcome, said = "sure", CONFIRMED
    shown = [
        f'<p style="margin:16px 0 4px;font-weight:bold">{html.escape(caption)}</p><img alt="{html.escape(caption)}" '
        f'style="width:100%;max-width:600px" src="data:image/png;base64,{base64.b64encode(content).decode()}">'
        for caption, content in pictures
    ]
    return HEADING.format(
        title=html.escape(title),
        colour=COLOURS[outcome] if sizes else "#566270",
        verdict=html.escape(said.format(names="; ".join(one.words for one in beyond))),
        drifted=html.escape(_drift_in_words(found)),
        table=_table(beyond, found["tests"]) if beyond else "",
        pictures="".join(shown),
        rows=rows[0],
        reference=rows[1],
    )


def _drift_in_words(found: Mapping[str, Any]) -> str:
    names = ", ".join(name for name, column in found["columns"].items() if column["drifted"])
    if not names:
        return "The pictures as a whole are as bright, sharp and colourful as on healthy days."
    if found["outcome"] == "within":
        return (
            f"As a whole the pictures differ from those of healthy days ({names}). This is no alarm and nothing has to "
            "be done: another mix of parts does that, too, and the camera itself is within its limits."
        )
    return f"As a whole the pictures differ from those of healthy days, too ({names})."


def _table(beyond: Sequence[Size], tests: Mapping[str, Outcome]) -> str:
    rows = ["".join(f"<th {CELL}>{name}</th>" for name in ("What", "Measured", "Healthy", "Verdict"))]
    for one in beyond:
        slowly = f" (in {one.slow} {'window' if one.slow == 1 else 'windows'}, slowly)" if one.slow else ""
        verdict = ("surely changed" if tests[one.statistic] == "sure" else "suspect") + slowly
        above = one.size > one.limit.centre
        edge = told(one.statistic, one.limit.high if above else one.limit.low)
        healthy = f"less than {edge}" if above or one.statistic == "gain" else f"more than {edge}"
        cells = (one.words, told(one.statistic, one.size), healthy, verdict)
        rows.append("".join(f"<td {CELL}>{html.escape(cell)}</td>" for cell in cells))
    return f'<table style="border-collapse:collapse">{"".join(f"<tr>{row}</tr>" for row in rows)}</table>'


def _page(body: str, title: str, heading: str) -> str:
    """Evidently's page under our heading."""
    head, rest = body.split("</head>", 1)
    phone = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f"{head}{phone}<title>{html.escape(title)}</title></head>{rest.replace('<body>', f'<body>{heading}', 1)}"
