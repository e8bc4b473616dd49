"""Evidently's verdict on a window is ours, and the page says it in words that need no training."""

import json
import os
import re
import socket
from collections.abc import Mapping
from html.parser import HTMLParser
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.camera.image_stats import NAMES
from monitoring.camera.measurement import CAUSES, UNITS, Measurement
from monitoring.content import drift
from monitoring.judgement import diagnosis
from monitoring.judgement.calibration import limit
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.limit import Limit
from monitoring.telling import report
from monitoring.telling.courses import PLAIN
from monitoring.telling.report import Size
from tests.monitoring.camera.test_health import PARAMS

HEALTH = PARAMS.health


def window(seed: int, rows: int = 40, shift: float = 0.0) -> pd.DataFrame:
    """One row per image; every window has its own lamp wobble, as a line has."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(rng.normal(0, 0.2), 1, (rows, len(NAMES))) * 5 + 100 + shift, columns=list(NAMES))


def between(low: float, high: float, sure_low: float = -inf, sure_high: float = inf) -> Limit:
    return Limit(low, high, sure_low, sure_high, 0.0, 0.01, 0.0, 30, False)


REFERENCE = window(0, 160)
LIMITS = report.thresholds([window(seed) for seed in range(1, 11)], REFERENCE)
SIZES = [
    Size("gain", PLAIN["gain"], -0.12, between(-0.05, 0.05, -0.1, 0.1)),
    Size("blur", PLAIN["blur"], 0.5, between(-inf, 0.45, -inf, 0.9)),
    Size("dust", PLAIN["dust"], 1.0, between(-1.0, 1.0, -2.0, 2.0)),
    Size("hot", PLAIN["hot"], 0.1 + 0.2, between(-0.4, 0.1 + 0.2 + 1e-16)),
    Size("mix", PLAIN["mix"], 0.1, between(-0.2, 0.2, -0.3, 0.3), slow=1),
]
CALM = [Size("gain", PLAIN["gain"], 0.01, between(-0.05, 0.05, -0.1, 0.1))]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails; and nothing tells Evidently to keep quiet, so that this test could see it."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a report opened a connection")

    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def run(current: pd.DataFrame, reference: pd.DataFrame = REFERENCE, **changes: Any) -> dict[str, Any]:
        given = {"limits": LIMITS, "sizes": SIZES, "title": "Camera cam-1", "path": tmp_path / "day" / "cam-1.html"}
        return report.write(reference, current, **{**given, **changes})

    return run


# Evidently's verdict and ours


def clean_limits(rng: np.random.Generator) -> dict[str, Limit]:
    """Limits of a camera as calibration makes them of 40 clean windows, of content statistics, too."""
    spread = {name: float(getattr(HEALTH.least, name)) / 4 for name in UNITS} | dict.fromkeys(drift.UNITS, 0.02)
    return {name: limit(list(rng.normal(0, size, 40)), 3 * size, HEALTH) for name, size in spread.items()}


def drawn(rng: np.random.Generator, limits: Mapping[str, Limit], way: int) -> dict[str, float]:
    """A window: healthy (0), some statistics suspect (1) or surely changed (2), or one exactly at a limit (3)."""
    values = {name: float(rng.normal(one.centre, one.spread / 2)) for name, one in limits.items()}
    for name in rng.choice(list(limits), rng.integers(1, 4), replace=False) if way else ():
        low, high = sorted((limits[name].high, limits[name].sure_high))
        values[name] = (0.0, float(rng.uniform(low, high)), high * 1.5, low)[way]
        if rng.random() < 0.5:
            values[name] = 2 * limits[name].centre - values[name]
    return values


def judged(values: Mapping[str, float], limits: Mapping[str, Limit], before: Mapping[str, Climb]) -> dict[str, Any]:
    """The window as JSON, with the findings that `diagnosis` makes of it (content is judged by the same rule)."""
    camera = {name: value for name, value in values.items() if name in UNITS}
    found = list(diagnosis.findings(Measurement("c", None, None, 50, {}, camera), limits, HEALTH.least, before))
    told = [{"cause": f.cause, "statistic": f.statistic, "size": f.size, "sure": f.sure, "slow": f.slow} for f in found]
    for name in drift.UNITS:
        one, value = limits[name], values[name]
        if not one.low < value < one.high:
            sure = not one.sure_low < value < one.sure_high
            told.append({"cause": drift.CAUSES[name], "statistic": name, "size": value, "sure": sure, "slow": False})
    return {"values": dict(values), "findings": told}


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 120), marks=pytest.mark.slow)])
def test_evidently_fails_exactly_what_we_find_over_many_drawn_windows(seeds: range) -> None:
    causes = {**CAUSES, **drift.CAUSES}
    states = set()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        limits = clean_limits(rng)
        past = [drawn(rng, limits, 0) | {"gain": 3 * limits["gain"].spread} for _ in range(40 * (seed % 5 == 4))]
        one = judged(drawn(rng, limits, seed % 4), limits, climbs(past, limits))
        sizes = report.sizes([one], limits, PLAIN)
        said = report._outcomes(report._run(REFERENCE, REFERENCE, {}, sizes).dict())
        ours = {finding["cause"]: finding["sure"] for finding in one["findings"]}
        theirs: dict[str, bool] = {}
        for name, outcome in said.items():
            cause = causes.get(name.removesuffix(report.SLOWLY))
            if cause and outcome != "within":
                theirs[cause] = theirs.get(cause, False) or outcome == "sure"
        assert theirs == ours, (seed, one)
        states.add("changed" if any(ours.values()) else "suspect" if ours else "healthy")
        states |= {"slow"} if any(finding["slow"] for finding in one["findings"]) else set()
    assert states == {"healthy", "suspect", "changed", "slow"}


def test_of_several_windows_the_one_furthest_out_counts() -> None:
    bounds = {"shift": between(-inf, 0.8, -inf, 2.0), "gain": between(-0.05, 0.2)}
    windows = [{"values": {"shift": v, "gain": g}, "findings": []} for v, g in ((0.2, 0.1), (0.9, -0.06), (0.1, 0.19))]
    assert {one.statistic: one.size for one in report.sizes(windows, bounds, {})} == {"shift": 0.9, "gain": -0.06}
    assert report.sizes([], bounds, {}) == []


def test_a_window_of_an_old_ledger_has_no_sure_findings() -> None:
    old = {"values": {"gain": -0.12}, "findings": [{"cause": "lighting", "statistic": "gain", "size": -0.12}]}
    assert report.sizes([old], {"gain": between(-0.05, 0.05, -0.2, 0.2)}, PLAIN)[0].slow == 0


def test_a_suspicion_warns_and_a_certainty_fails(write: Any) -> None:
    found = write(window(5))
    assert found["tests"] == {"gain": "sure", "blur": "suspect", "dust": "suspect", "hot": "within", "mix": "sure"}
    assert found["outcome"] == "sure"  # a limit itself is beyond, as it is for us; a slow change is sure
    assert write(window(5), sizes=CALM)["outcome"] == "within"


# columns


def test_our_distance_is_evidently_s() -> None:
    current = window(11, 40, shift=4)
    for before, now in (
        (REFERENCE, current),
        (current.iloc[:1], REFERENCE),
        (REFERENCE * 0, current),
        (current, current),
    ):
        told = report._run(before, now, LIMITS, []).dict()
        found = report._columns(told, report._outcomes(told), LIMITS)
        for name in NAMES:
            assert found[name]["distance"] == pytest.approx(report.distance(before[name], now[name]), rel=1e-12, abs=0)


def test_clean_windows_do_not_drift_and_a_shifted_one_does(write: Any) -> None:
    assert not any(column["drifted"] for column in write(window(5))["columns"].values())
    shifted = window(5)
    shifted["noise"] += 20
    found = write(shifted)["columns"]
    assert [name for name in NAMES if found[name]["drifted"]] == ["noise"]
    assert found["noise"]["threshold"] == LIMITS["noise"] < found["noise"]["distance"]


def test_thresholds_stand_above_every_clean_window_and_never_below_the_least() -> None:
    windows = [window(seed) for seed in range(1, 11)]
    for name in NAMES:
        largest = max(report.distance(REFERENCE[name], seen[name]) for seen in windows)
        assert LIMITS[name] == max(report.LEAST, report.MARGIN * largest)
    assert set(report.thresholds([], REFERENCE).values()) == {report.LEAST}


def test_the_result_is_ready_for_json(write: Any) -> None:
    found = write(window(5))
    assert json.loads(json.dumps(found)) == found
    assert found["html"] == "cam-1.html"
    assert list(found["columns"]) == list(NAMES)


# the page


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.words: dict[str, str] = {}
        self.tag = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        named = [str(value) for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.outside += [value for value in named if not value.startswith("data:image/png;base64,")]

    def handle_data(self, data: str) -> None:
        if self.tag in ("title", "h1", "p", "td", "style"):
            self.words[self.tag] = " ".join(f"{self.words.get(self.tag, '')} {data}".split())


def test_the_page_says_its_title_and_outcome_and_needs_no_network(write: Any, tmp_path: Path) -> None:
    title = "Line <A> & cam-1: “noise”"
    write(window(5, shift=30), title=title, pictures=[("Every statistic & more", b"\x89PNG")])
    path = tmp_path / "day" / "cam-1.html"
    page = Page(path)
    assert page.words["title"] == page.words["h1"] == title
    assert f"Changed: {PLAIN['gain']}; " in page.words["p"]
    assert f"differ from those of healthy days, too ({', '.join(NAMES)})." in page.words["p"]
    assert "Every statistic & more" in page.words["p"]
    assert f"{PLAIN['gain']} 12 % darker less than 5 % darker surely changed" in page.words["td"]
    assert "0.5 px less than 0.45 px suspect" in page.words["td"], "sizes have the units of the words"
    assert "suspect" in page.words["td"] and "slowly" in page.words["td"]
    assert page.outside == []
    assert "@import" not in page.words["style"] and "url(http" not in page.words["style"]
    assert path.stat().st_size < 4_200_000
    assert [child.name for child in path.parent.iterdir()] == ["cam-1.html"]


def test_image_statistics_that_drift_alone_do_not_read_like_an_alarm(write: Any, tmp_path: Path) -> None:
    found = write(window(5, shift=30), sizes=CALM)
    said = Page(tmp_path / "day" / "cam-1.html").words["p"]
    assert all(column["drifted"] for column in found["columns"].values())
    assert found["outcome"] == "within"
    assert said.startswith("Healthy: ")
    assert "This is no alarm and nothing has to be done" in said
    assert not re.search("Changed|Perhaps", said)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (CALM, "Healthy: everything that is measured of this camera lies within its limits."),
        (SIZES[1:2], f"Perhaps changed: {PLAIN['blur']}. One such window is no alarm; the next ones decide."),
        ([], "No window of this time was judged."),
    ],
)
def test_the_page_says_what_follows_from_it(write: Any, tmp_path: Path, sizes: list[Size], says: str) -> None:
    write(window(5), sizes=sizes)
    said = Page(tmp_path / "day" / "cam-1.html").words["p"]
    assert says in said
    assert "as bright, sharp and colourful as on healthy days" in said


def test_an_incident_that_several_windows_confirmed_is_no_suspicion(write: Any, tmp_path: Path) -> None:
    found = write(window(5), sizes=SIZES[1:2], confirmed=True)
    said = Page(tmp_path / "day" / "cam-1.html").words["p"]
    assert found["outcome"] == "suspect"  # of this window alone
    assert f"Changed: {PLAIN['blur']}. No window alone was sure of it, but several in a row showed it." in said
    assert "Perhaps" not in said and "no alarm" not in said


def test_one_row_constants_and_no_sizes_can_be_reported(write: Any) -> None:
    constant = pd.DataFrame({"red": [1.0] * 30, "clipped": [0.0] * 30})
    found = write(constant.iloc[:1], constant, limits={"red": 0.3, "clipped": 0.3}, sizes=[])
    assert found["columns"]["red"] == {"distance": 0.0, "threshold": 0.3, "drifted": False}
    assert (found["tests"], found["outcome"]) == ({}, "within")
    counts = pd.DataFrame({"red": [0, 1] * 20, "extra": ["a", "b"] * 20}, index=range(7, 47))
    assert write(counts, counts, limits={"red": 0.3})["columns"]["red"]["drifted"] is False
    assert write(constant, constant, limits={})["tests"]["gain"] == "sure"


def test_a_full_disk_leaves_the_page_that_was(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(window(5))
    path = tmp_path / "day" / "cam-1.html"
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(window(6))
    assert path.read_bytes() == before
