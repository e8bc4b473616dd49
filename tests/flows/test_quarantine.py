"""The way back from quarantine: through the same checks, whatever happens in between."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.ingest import ingest, summary
from inspection import clock, git
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger, quarantine
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.quarantine import Refused
from plant.shot import Shot, drop
from tests.conftest import EVENING, draw, set_params
from tests.pipeline import faults

pytestmark = pytest.mark.usefixtures("prefect_harness")
Fill = Callable[..., list[Shot]]


def run(layout: Layout, minutes: int = 0) -> dict[str, Any]:
    with clock.at(EVENING + timedelta(minutes=minutes)):
        return ingest(root=layout.root)


def kept(layout: Layout) -> list[Refused]:
    catalog = open_catalog(layout)
    found = quarantine.every(layout, catalog)
    catalog.close()
    return found


def retry(layout: Layout, minutes: int) -> None:
    with clock.at(EVENING + timedelta(minutes=minutes)):
        quarantine.rule(layout, kept(layout), quarantine.RETRIED, "Tess", "")


def declare(layout: Layout, old: str, new: str) -> None:
    text = layout.cameras.read_text()
    assert old in text
    layout.cameras.write_text(text.replace(old, new))
    git.commit(layout.root, [layout.cameras], "Cameras")


@pytest.fixture
def refused(tiny: Layout, fill: Fill) -> Layout:
    """Three pictures that cameras.yaml calls too wide, in quarantine."""
    shots = [shot for shot in fill(3) if shot.camera == "cam-1"]
    declare(tiny, "width: 128", "width: 100")
    result = run(tiny)
    assert result["refused"] == len(shots) == 3
    declare(tiny, "width: 100", "width: 128")
    return tiny


def clean(layout: Layout) -> None:
    """Nothing is lost, doubled or half done, and the catalog says what the files say."""
    assert all(rebuild(layout).values())
    assert set(faults.accepted(layout)).isdisjoint(faults.refused(layout))
    stored = list(layout.quarantine.rglob("*.refused"))
    assert len(stored) == len(list(faults.refused(layout))) == len(kept(layout))
    assert not (layout.quarantine / quarantine.NOTE).exists()
    assert git.run(layout.home, "status", "--porcelain") == ""


def test_what_was_refused_comes_back_once_the_cause_is_mended(refused: Layout) -> None:
    before = kept(refused)
    retry(refused, 1)
    assert {one.state for one in kept(refused)} == {quarantine.RETRIED}
    result = run(refused, 2)
    assert (result["accepted"], result["refused"]) == (3, 0)
    assert kept(refused) == []
    assert {one.capture_id for one in before} <= set(faults.accepted(refused))
    clean(refused)
    assert run(refused, 3)["accepted"] == 0


def test_a_clock_that_was_reset_is_refused_and_an_archive_comes_in_by_its_setting(tiny: Layout) -> None:
    archive, reset, late = (draw(tiny, 2, day=day) for day in (date(2025, 11, 3), date(2000, 1, 1), date(2026, 10, 24)))
    drop([*archive, *reset, *late], tiny.home / "inbox")
    result = run(tiny)
    assert (result["accepted"], result["refused"]) == (len(late), len(archive) + len(reset))
    (first, second) = sorted(set(result["reasons"].values()))
    assert "the clock of cam-1 says 2000-01-01 to 2025-11-03" in first and "cam-2" in second
    assert len([line for line in summary(result) if line.startswith("  ") and "max_past" in line]) == 2
    set_params(tiny, ingest__max_past=400)
    retry(tiny, 1)
    result = run(tiny, 2)
    assert (result["accepted"], result["refused"]) == (len(archive), len(reset))
    assert {one.key for one in kept(tiny)} == {shot.key for shot in reset}
    clean(tiny)


def test_what_a_camera_has_kept_while_it_was_cut_off_is_held_against_its_newest_picture(tiny: Layout) -> None:
    drop(draw(tiny, 1), tiny.home / "inbox")
    assert run(tiny)["accepted"] == 2
    months = 100 * 24 * 60
    drop(draw(tiny, 2, seed=2, day=date(2026, 11, 3)), tiny.home / "inbox")
    drop(draw(tiny, 1, seed=3, day=date(2026, 8, 1)), tiny.home / "inbox")
    result = run(tiny, months)
    assert (result["accepted"], result["refused"]) == (4, 2)
    assert all("newest picture of this camera (2026-11-02)" in words for words in result["reasons"].values())


def test_what_is_refused_again_is_there_once_with_the_new_reason(refused: Layout) -> None:
    (old, *_) = kept(refused)
    declare(refused, "mode: L", "mode: RGB")
    retry(refused, 1)
    result = run(refused, 2)
    assert (result["accepted"], result["refused"]) == (0, 3)
    (new, *_) = kept(refused)
    assert (new.capture_id, new.state) == (old.capture_id, quarantine.REFUSED) and "mode RGB" in new.reason
    assert new.path != old.path and not (refused.home / old.path).exists()
    clean(refused)
    assert run(refused, 3)["refused"] == 0


def test_without_a_retry_the_same_file_stays_known_and_the_way_is_told(refused: Layout) -> None:
    (one, *_) = kept(refused)
    path = refused.home / "inbox" / one.key
    path.write_bytes((refused.home / one.path).read_bytes())
    result = run(refused, 1)
    assert (result["known"], result["refused_before"]) == (1, 1)
    assert any("andon quarantine" in line for line in summary(result))


def test_a_file_dropped_again_while_it_comes_back_is_taken_once(refused: Layout) -> None:
    for one in kept(refused):
        (refused.home / "inbox" / one.key).write_bytes((refused.home / one.path).read_bytes())
    retry(refused, 1)
    assert run(refused, 2)["accepted"] == 3
    result = run(refused, 3)
    assert (result["accepted"], result["known"]) == (0, 3)
    clean(refused)


def test_a_sheet_that_comes_back_is_used(tiny: Layout, fill: Fill) -> None:
    set_params(tiny, ingest__sidecar="*.csv", ingest__sidecar_wait=0)
    sheet = "file,camera,part,serial,captured_at\nloose.png,cam-1,bracket,s-1,20261102T061512Z\n"
    (tiny.home / "inbox" / "today.csv").write_text(sheet)
    assert run(tiny)["refused"] == 1
    (tiny.home / "inbox" / "loose.png").write_bytes(faults.picture(1))
    assert run(tiny, 1)["refused"] == 1
    assert sorted(one.key for one in kept(tiny)) == ["loose.png", "today.csv"]
    retry(tiny, 2)
    result = run(tiny, 3)
    assert (result["accepted"], result["refused"]) == (1, 0)
    assert kept(tiny) == []
    clean(tiny)


STEPS = [
    ("flows.ingest", "clear"),
    ("inspection.records.quarantine", "_forget"),
    *(
        pytest.param(module, step, marks=pytest.mark.slow)
        for module, step in (
            *(("flows.ingest", "judge"), ("flows.batch", "refresh"), ("flows.ingest", "record")),
            *(("inspection.records.quarantine", "leave"), ("inspection.records.quarantine", "among")),
            ("flows.ingest", "push"),
        )
    ),
]


@pytest.mark.parametrize("again", [False, True], ids=["taken in", "refused again"])
@pytest.mark.parametrize(("module", "step"), STEPS)
def test_cut_off_anywhere_the_next_ingest_finishes_the_job(
    refused: Layout, monkeypatch: pytest.MonkeyPatch, module: str, step: str, again: bool
) -> None:
    ids = {one.capture_id for one in kept(refused)}
    if again:
        declare(refused, "mode: L", "mode: RGB")
    retry(refused, 1)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.{step}", killed)
        with pytest.raises(BaseException):  # noqa: B017  Prefect wraps it
            run(refused, 2)
    run(refused, 3)
    found = {*faults.accepted(refused), *faults.refused(refused)}
    assert ids <= found and len(kept(refused)) == (3 if again else 0)
    clean(refused)


def test_a_discard_is_on_record_with_who_and_why_and_is_no_dead_end(refused: Layout) -> None:
    with pytest.raises(FixInput, match="--why"):
        quarantine.rule(refused, kept(refused), quarantine.DISCARDED, "Tess", " ")
    (first, *rest) = kept(refused)
    quarantine.rule(refused, [first], quarantine.DISCARDED, "Tess", "test pictures")
    event = ledger.read(refused)[-1]
    assert (event.kind, event.by, event.body["why"], event.body["files"]) == (
        *("quarantine", "Tess", "test pictures"),
        {first.capture_id: first.path},
    )
    said = {one.capture_id: (one.state, one.by, one.why) for one in kept(refused)}
    assert said[first.capture_id] == (quarantine.DISCARDED, "Tess", "test pictures")
    assert quarantine.chosen(kept(refused), [], "", everything=True) == rest
    (found,) = quarantine.chosen(kept(refused), [first.key], "", everything=False)
    retry(refused, 1)
    assert run(refused, 2)["accepted"] == 3 and found.capture_id == first.capture_id


def test_equal_reasons_are_one_line_with_their_count(refused: Layout) -> None:
    (group,) = quarantine.groups(kept(refused))
    assert group["files"] == 3 == len(group["keys"]) and "128 px" in group["reason"]
    assert json.dumps(group)


@pytest.mark.parametrize("names", [[], ["nobody.png"]])
def test_nothing_is_chosen_by_accident(refused: Layout, names: list[str]) -> None:
    with pytest.raises(FixInput, match="andon quarantine list"):
        quarantine.chosen(kept(refused), names, "", everything=False)
    assert len(quarantine.chosen(kept(refused), ["cam-1/*"], "", everything=False)) == 3
    assert len(quarantine.chosen(kept(refused), [], "128 PX", everything=False)) == 3
    assert not (Path(refused.quarantine) / quarantine.NOTE).exists()
