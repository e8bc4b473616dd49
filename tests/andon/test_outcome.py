"""The end of the demo in words: nothing is claimed that did not happen."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from andon import outcome, tally
from andon.attempts import Failure
from andon.crew import Crew
from andon.demo import run
from andon.streams import Source
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.records import incidents, ledger
from inspection.release.readiness import readiness
from tests.conftest import EVENING
from tests.inspection.release.test_readiness import labelled
from tests.inspection.world import add_batch, picture

CHAMPION = {"version": "v1.0.0", "escapes": 1, "false_rejects": 2, "parts": 100, "good_parts": 60}


def summary(**changes: Any) -> dict[str, Any]:
    return {**tally.NOTHING, "references": [], "drill": [], **changes}


@pytest.mark.parametrize("name", ["nowhere", "empty", "broken"])
def test_a_folder_that_cannot_be_opened_ends_with_its_summary(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/metadata.csv").write_bytes(b"file,label\na.png,\0\n")
    folder = tmp_path / ".demo"
    folder.mkdir()
    (folder / "summary.json").write_text('{"complete": true}')  # of an earlier demo
    found = run(folder, Source(tmp_path / name, None, None, (), 11, 1), quiet=True)
    assert not found["complete"] and found["images"] == 0
    assert found["reached"] and "Opening could not be done" in found["missing"][0]
    assert '"complete": false' in (folder / "summary.json").read_text()
    wrong, remedy = outcome.what_to_do(found)
    assert str(tmp_path / name) in wrong and remedy


def test_a_plant_without_a_model_says_what_is_missing(tiny: Layout) -> None:
    crew = Crew(tiny, lambda _: None)
    found = outcome.judged(summary(), crew, ())
    assert not found["complete"]
    assert "No model was trained" in found["missing"][0] and "it takes 60" in found["missing"][0]
    assert [name for name in read_cameras(tiny.cameras) if any(name in words for words in found["missing"])]


@pytest.mark.parametrize("trained", [False, True])
def test_what_is_set_aside_is_in_the_last_word(tiny: Layout, monkeypatch: pytest.MonkeyPatch, trained: bool) -> None:
    refused = SimpleNamespace(version="v1.0.0", promote=False, objections=("tried on 3 defective test parts",))
    monkeypatch.setattr(outcome.approval, "requests", lambda _: [refused] if trained else [])
    camera = next(iter(read_cameras(tiny.cameras).values()))
    key = f"{camera.name}/{camera.parts[0]}/s-1/20261102T060000000Z.png"
    (image,) = add_batch(tiny, "20261102-00000", {key: picture(1)})["image_id"]
    body = {"image_id": image, "label": "good", "labelled_at": clock.stamp(EVENING), "spec": "1"}
    ledger.append(tiny, "label", "Tess", [body])
    ledger.append(tiny, "batch-ruling", "Tess", [{"batch": "20261102-00000", "what": "held", "why": "x"}])
    git.commit(tiny.home, ledger.files(tiny), "Held")
    found = outcome.judged(summary(), Crew(tiny, lambda _: None), ())
    assert ("tried on 3 defective test parts" in found["missing"][0]) == trained
    assert "1 labelled image is set aside" in found["missing"][0]
    assert "andon batch release 20261102-00000 --by NAME --why TEXT" in found["missing"][0]


def test_a_step_that_failed_on_several_days_is_told_once() -> None:
    failed = [Failure(2, "watch", "No."), Failure(3, "watch", "No."), Failure(0, "drill", "No.")]
    found = outcome.judged(summary(champion=CHAMPION), None, failed)
    assert not found["complete"]
    assert found["missing"] == ["Watch could not be done (on day 2 and 1 times later): No."]
    assert [one["step"] for one in found["failed"]] == ["watch", "watch", "drill"]
    assert outcome.judged(summary(champion=CHAMPION), None, failed[2:])["complete"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"escapes": 5}, "it lets 5 of 40 defective parts through"),
        ({"false_rejects": 34}, "it rejects 34 of 60 good ones"),
    ],
)
def test_a_model_that_is_no_good_is_called_so(changes: dict[str, int], words: str) -> None:
    days = [{"model": "v1.0.0"}]
    said = " ".join(outcome.truths(summary(champion={**CHAMPION, **changes}, days=days), (), own=True))
    assert ("no good inspector yet" in said) == bool(words) and words in said


def test_what_was_laid_on_and_what_was_judged_is_true() -> None:
    none = " ".join(outcome.truths(summary(), (), own=True))
    assert "No fault of a camera was laid on" in none and "without a reference none is looked for" in none
    watched = outcome.truths(summary(references=["cam-1"]), (), own=True)
    assert "No change was found on cam-1." in watched
    assert "before the first" in outcome.truths(summary(), (), own=False)[0]
    assert "laid on" not in " ".join(outcome.truths(summary(incidents=[1]), ("dust on cam-1",), own=False))
    late = summary(champion=CHAMPION, days=[{"model": None}], releases=[{"version": "v1.0.0"}])
    assert "no picture was judged when it came" in " ".join(outcome.truths(late, (), own=True))


def test_nothing_that_happened_has_no_table() -> None:
    assert outcome.happened(summary())[1:] == ["What happened", "  No incident and no release."]


def test_a_first_model_waits_for_classes_and_not_for_pictures(tiny: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pictures of one class, and then of two of which the gate could judge nothing."""
    asked: list[str] = []

    def run_here(*_: Any, **__: Any) -> dict[str, Any]:
        asked.append("model")
        return {"promote": True, "version": "v1.0.0", "aside": ""}

    monkeypatch.setattr("flows.tasks.run_here", run_here)
    crew = Crew(tiny, lambda _: None)
    for classes, last, expected in (
        ({"good": 400}, False, 0),
        ({"good": 400, "scratch": 2}, True, 0),
        ({"good": 100, "scratch": 30}, False, 0),
        ({"good": 100, "scratch": 30}, True, 1),
        ({"good": 100, "scratch": 30}, True, 1),  # nothing is new
        ({"good": 100, "scratch": 90, "pit": 2}, False, 1),  # it waits for pits ...
        ({"good": 300, "scratch": 90, "pit": 2}, False, 2),  # ... not for ever
        ({"good": 500, "scratch": 190}, False, 3),
    ):
        rows = labelled({name: (count, count) for name, count in classes.items()})
        monkeypatch.setattr(Crew, "ready", lambda self, rows=rows: readiness(rows, self.settings))
        crew.ask_for_first_model(last)
        assert len(asked) == expected, (classes, last)


@pytest.mark.parametrize("laid", [(), ("lamp -0.3 on cam-1",)])
def test_what_the_folder_shows_may_teach_where_nobody_laid_a_fault(tiny: Layout, laid: tuple[str, ...]) -> None:
    """As the tiles, whose exposure is another one every day: 1,179 of 1,344 were set aside, and no model was good."""
    finding = {"cause": "noise", "statistic": "noise", "size": 0.4, "unit": "", "words": "So.", "strength": 2.0}
    onset = [clock.stamp(datetime(2026, 11, 2, tzinfo=UTC))] * 2
    opened = {"what": "opened", "line": "A", "cause": "noise", "camera": "cam-1", "finding": finding, "onset": onset}
    routed = {"what": "routed", "action": "repair", "reasons": ["so"]}
    bodies = [{"incident": "I-0001", **one} for one in ({**opened, "window": "w"}, routed)]
    ledger.append(tiny, "incident", "watch", bodies)
    said: list[str] = []
    Crew(tiny, said.append).make_do(laid)
    [incident] = incidents.fold(ledger.read(tiny))
    assert incident.ruling == ("" if laid else "use")
    assert any("may be learned from" in words for words in said) is not bool(laid)
