"""Two windows of image statistics -> a page for people and numbers for flows. The only file that imports Evidently."""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

METHOD = "wasserstein"  # Evidently's name for the distance below
MARGIN = 1.5  # a column's threshold over the largest distance that clean windows showed
LEAST = 0.3  # ... and never below this many standard deviations of the reference

HEADING = (
    '<header style="font:400 15px/1.5 Arial,sans-serif;max-width:1100px;margin:24px auto 0;padding:0 24px">'
    '<h1 style="font-size:24px;margin:0 0 4px">{title}</h1>'
    '<p style="margin:0;opacity:.8">{rows} images of this window against {reference} of the reference. '
    "Beyond their limits: {beyond}. Image statistics that drifted: {drifted}.</p></header>"
)


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
    sizes: Mapping[str, tuple[float, float, float]],
    title: str,
    path: Path,
) -> dict[str, Any]:
    """Write the page to `path` and return its verdicts, ready for JSON.

    Args:
        reference, current: one row per image, the columns of `limits`.
        limits: column -> distance from which it has drifted, as `thresholds` gives it.
        sizes: statistic of camera health -> (size of this window, lowest, highest allowed).

    Returns:
        {"columns": {name: {"distance", "threshold", "drifted"}}, "tests": {statistic: within its limits}, "html": name}
    """
    snapshot = _run(reference, current, limits, sizes)
    told = snapshot.dict()
    found = {
        "columns": _columns(told, limits),
        "tests": {name: name not in _failed(told) for name in sizes},
        "html": path.name,
    }
    _replace(path, _page(snapshot.get_html_str(as_iframe=False), title, found, len(current), len(reference)))
    return found


def _run(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    limits: Mapping[str, float],
    sizes: Mapping[str, tuple[float, float, float]],
) -> Any:
    """Evidently's Snapshot of the comparison."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.tests import gte, lte

    columns = list(limits)
    numbers = DataDefinition(numerical_columns=columns)  # left to guess, it takes few values for a category
    before, now = (
        Dataset.from_pandas(frame[columns].astype(np.float64).reset_index(drop=True), data_definition=numbers)
        for frame in (reference, current)
    )
    metrics: list[Any] = [ValueDrift(column=name, method=METHOD, threshold=limits[name]) for name in columns]
    for name, (size, low, high) in sizes.items():
        checks = [test(limit) for test, limit in ((gte, low), (lte, high)) if isfinite(limit)]
        metrics.append(_size()(statistic=name, size=size, tests=checks))
    return Report(metrics, include_tests=True).run(now, before)


@cache
def _size() -> type[Any]:
    """Evidently's metric of a number that Andon has measured: it brings the number in, so that tests can hold it."""
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

    class Size(SingleValueMetric):  # type: ignore[misc]
        statistic: str
        size: float

    class SizeCalculation(SingleValueCalculation[Size]):  # type: ignore[misc]
        def calculate(self, _context: Any, _current: Any, _reference: Any) -> Any:
            result = self.result(self.metric.size)
            result.widget = []  # the table of tests shows it
            return result

        def display_name(self) -> str:
            return str(self.metric.statistic)

    return Size


def _columns(told: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Column -> what Evidently found of it."""
    drifts = {
        metric["config"]["column"]: float(metric["value"]) for metric in told["metrics"] if "column" in metric["config"]
    }
    failed = _failed(told)
    return {
        name: {"distance": drifts[name], "threshold": float(limits[name]), "drifted": name in failed} for name in limits
    }


def _failed(told: Mapping[str, Any]) -> set[str]:
    """The columns and statistics that a test of Evidently's refuses."""
    refused = [test["metric_config"]["params"] for test in told["tests"] if test["status"] != "SUCCESS"]
    return {str(params.get("column") or params["statistic"]) for params in refused}


def _page(body: str, title: str, found: Mapping[str, Any], rows: int, reference: int) -> str:
    """Evidently's page under a heading that says the outcome."""
    heading = HEADING.format(
        title=html.escape(title),
        rows=rows,
        reference=reference,
        beyond=_listed(name for name, ok in found["tests"].items() if not ok),
        drifted=_listed(name for name, column in found["columns"].items() if column["drifted"]),
    )
    head, rest = body.split("</head>", 1)
    return f"{head}<title>{html.escape(title)}</title></head>{rest.replace('<body>', f'<body>{heading}', 1)}"


def _listed(names: Iterable[str]) -> str:
    return html.escape(", ".join(names)) or "none"


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
