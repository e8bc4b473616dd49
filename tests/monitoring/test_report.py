import json
import socket
from html.parser import HTMLParser
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring import report
from monitoring.image_stats import NAMES


def window(seed: int, rows: int = 40, shift: float = 0.0) -> pd.DataFrame:
    """One row per image; every window has its own lamp wobble, as a line has."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(rng.normal(0, 0.2), 1, (rows, len(NAMES))) * 5 + 100 + shift, columns=list(NAMES))


REFERENCE = window(0, 160)
LIMITS = report.thresholds([window(seed) for seed in range(1, 11)], REFERENCE)
SIZES = {
    "gain": (-0.12, -0.05, 0.05),
    "blur": (0.05, -inf, 0.45),
    "dust": (1.0, 0.0, 1.0),
    "hot": (0.1 + 0.2, 0.0, 0.3),
}


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


def test_our_distance_is_evidently_s(write: Any) -> None:
    current = window(11, 40, shift=4)
    for before, now in (
        (REFERENCE, current),
        (current.iloc[:1], REFERENCE),
        (REFERENCE * 0, current),
        (current, current),
    ):
        found = write(now, before)["columns"]
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


def test_evidently_s_verdict_on_a_size_is_ours(write: Any) -> None:
    found = write(window(5))["tests"]
    assert found == {name: low <= size <= high for name, (size, low, high) in SIZES.items()}
    assert found == {
        "gain": False,
        "blur": True,
        "dust": True,
        "hot": False,
    }  # a limit itself is allowed, 4e-17 above not


def test_the_result_is_ready_for_json(write: Any) -> None:
    found = write(window(5))
    assert json.loads(json.dumps(found)) == found
    assert found["html"] == "cam-1.html"
    assert list(found["columns"]) == list(NAMES)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.words: dict[str, str] = {}
        self.tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.outside += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        if self.tag in ("title", "h1", "p", "style"):
            self.words[self.tag] = self.words.get(self.tag, "") + data


def test_the_page_says_its_title_and_outcome_and_needs_no_network(write: Any, tmp_path: Path) -> None:
    title = "Line <A> & cam-1: “noise”"
    write(window(5, shift=30), title=title)
    path = tmp_path / "day" / "cam-1.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.words["title"].strip() == title
    assert page.words["h1"].strip() == title
    assert "Beyond their limits: gain, hot." in page.words["p"]
    assert f"drifted: {', '.join(NAMES)}." in page.words["p"]
    assert page.outside == []
    assert "@import" not in page.words["style"] and "url(http" not in page.words["style"]
    assert path.stat().st_size < 4_200_000
    assert [child.name for child in path.parent.iterdir()] == ["cam-1.html"]


def test_one_row_constants_and_no_sizes_can_be_reported(write: Any) -> None:
    constant = pd.DataFrame({"red": [1.0] * 30, "clipped": [0.0] * 30})
    found = write(constant.iloc[:1], constant, limits={"red": 0.3, "clipped": 0.3}, sizes={})
    assert found["columns"]["red"] == {"distance": 0.0, "threshold": 0.3, "drifted": False}
    assert found["tests"] == {}
    counts = pd.DataFrame({"red": [0, 1] * 20, "extra": ["a", "b"] * 20}, index=range(7, 47))
    assert write(counts, counts, limits={"red": 0.3})["columns"]["red"]["drifted"] is False
    assert write(constant, constant, limits={})["tests"]["gain"] is False


def test_a_full_disk_leaves_the_page_that_was(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(window(5))
    path = tmp_path / "day" / "cam-1.html"
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write(window(6))
    assert path.read_bytes() == before
