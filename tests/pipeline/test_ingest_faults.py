"""Whatever fails around an ingest, and whoever runs one beside it: nothing is lost and a person is told what to do."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tenacity import wait_none

from andon import status
from flows import ingest as module
from flows import remote, tasks
from flows.ingest import ingest
from inspection import clock, git
from inspection.errors import CheckHistory, MakeRoom, WaitForOther, in_words
from inspection.records import batches, holds, ledger
from inspection.records.catalog import open_catalog
from inspection.records.schema import capture_table
from tests.conftest import EVENING
from tests.inspection.intake.test_bucket import Line, bucket, camera, held, line, s3, server  # noqa: F401  fixtures
from tests.inspection.world import encoded, noise
from tests.pipeline.faults import Child, Drops, Zygote, check, check_files, picture, small_plant

pytestmark = pytest.mark.usefixtures("prefect_harness")
SOON = timedelta(minutes=1)


@pytest.fixture(scope="module")
def zygote(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    """The inbox of an empty plant that uses sidecars."""
    return Drops(small_plant(tmp_path / "plant"))


def run(drops: Drops, after: timedelta = timedelta(0)) -> dict[str, Any]:
    with clock.at(EVENING + after):
        result: dict[str, Any] = tasks.run_here(ingest, root=drops.layout.root)
    return result


def waiting(drops: Drops) -> list[str]:
    inbox = drops.layout.home / "inbox"
    return sorted(path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file())


def table(drops: Drops, of: Any) -> Any:
    opened = open_catalog(drops.layout)
    frame = opened.frame(of.select())
    opened.close()
    return frame


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# Two ingests on one inbox


def stopped_inside(zygote: Zygote, drops: Drops) -> Child:
    """An ingest that stands still while it holds the lock."""
    holder = drops.layout.state / "locks" / "ingest.holder"
    child = zygote.start(drops.layout)
    until(lambda: holder.exists() and f'"pid": {child.pid}' in holder.read_text())
    os.kill(child.pid, signal.SIGSTOP)
    return child


def waiting_for(zygote: Zygote, drops: Drops, first: Child) -> Child:
    """A second one, which says for whom it waits."""
    second = zygote.start(drops.layout)
    until(lambda: "Waiting for" in second.said.read_text())
    assert f"Waiting for an ingest (process {first.pid}, since " in second.said.read_text()
    return second


def test_of_two_ingests_one_waits_names_the_other_and_finds_nothing_left(zygote: Zygote, drops: Drops) -> None:
    shots = [drops.shot() for _ in range(6)]
    first = stopped_inside(zygote, drops)
    second = waiting_for(zygote, drops, first)
    os.kill(first.pid, signal.SIGCONT)
    results = [child.end() for child in (first, second)]
    assert [one and one["result"]["accepted"] for one in results] == [len(shots), 0]
    check(drops)


def test_an_ingest_that_dies_lets_the_waiting_one_in(zygote: Zygote, drops: Drops) -> None:
    shots = [drops.shot() for _ in range(3)]
    first = stopped_inside(zygote, drops)
    second = waiting_for(zygote, drops, first)
    first.kill(group=True)
    assert first.end() is None
    outcome = second.end()
    assert outcome and outcome["result"]["accepted"] == len(shots)
    check(drops)


@pytest.mark.slow
def test_ingests_that_race_for_ten_rounds_take_each_capture_once(zygote: Zygote, drops: Drops) -> None:
    taken = 0
    for _ in range(10):
        for name in ("cam-1", "cam-2", "cam-1"):
            drops.shot(name)
        outcomes = [child.end() for child in [zygote.start(drops.layout) for _ in range(2)]]
        taken += sum(one["result"]["accepted"] for one in outcomes if one)
    assert taken == 30
    print(check(drops))


# What the disk, the database and the clock do


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written to; root would pass by permission bits."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a folder read-only")
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let tests mount a folder")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_an_inbox_that_cannot_be_emptied_is_said_and_nothing_is_taken_twice(drops: Drops) -> None:
    shots = [drops.shot() for _ in range(3)]
    with read_only(drops.layout.home / "inbox"):
        for after in (timedelta(0), SOON):
            with pytest.raises(MakeRoom, match=r"3 files that were taken in cannot leave .* grant that"):
                run(drops, after)
    assert waiting(drops) == sorted(shots)
    assert run(drops, 2 * SOON)["known"] == 3
    assert check_files(drops).captures == 3


def test_a_data_folder_that_cannot_be_written_to_is_one_line_and_loses_nothing(
    drops: Drops, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = [drops.shot() for _ in range(2)]
    with read_only(drops.layout.home / "data"), pytest.raises(SystemExit):
        in_words(lambda: run(drops) and None)
    assert "may not be written to" in capsys.readouterr().err
    assert waiting(drops) == sorted(shots)
    assert run(drops, SOON)["accepted"] == 2
    check_files(drops)


def test_a_catalog_that_another_process_keeps_locked_is_said_and_nothing_is_touched(
    drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops.shot()
    run(drops)
    drops.shot()
    monkeypatch.setattr("inspection.records.database.BUSY_MS", 200)
    other = sqlite3.connect(drops.layout.catalog, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WaitForOther, match="locked by another process"):
        run(drops, SOON)
    assert len(waiting(drops)) == 1
    other.execute("ROLLBACK")
    other.close()
    assert run(drops, SOON)["accepted"] == 1
    assert check_files(drops).captures == 2


def test_a_clock_that_went_back_is_refused_before_anything_is_touched(drops: Drops) -> None:
    drops.shot()
    run(drops)
    key, before = drops.shot(), git.run(drops.layout.home, "rev-parse", "HEAD")
    with pytest.raises(CheckHistory, match="set the clock"):
        run(drops, timedelta(days=-1))
    assert waiting(drops) == [key]
    assert git.run(drops.layout.home, "rev-parse", "HEAD") == before
    assert run(drops, SOON)["accepted"] == 1
    check_files(drops)


# What git and DVC leave when they are killed themselves


@pytest.mark.parametrize("name", [".dvc/tmp/rwlock", "data/batches/2026-11-01.dvc"])
def test_a_file_that_dvc_left_half_written_is_made_again(drops: Drops, name: str) -> None:
    for minutes in (0, 1):
        drops.shot()
        (drops.layout.home / name).parent.mkdir(parents=True, exist_ok=True)
        (drops.layout.home / name).write_bytes(b"")
        assert run(drops, timedelta(minutes=minutes))["accepted"] == 1
    check(drops)


@pytest.mark.parametrize("name", ["index.lock", "HEAD.lock", "refs/heads/main.lock"])
def test_a_lock_that_a_dead_git_left_is_cleared(drops: Drops, name: str) -> None:
    drops.shot()
    (drops.layout.home / ".git" / name).touch()
    assert run(drops)["accepted"] == 1
    check(drops)


# The remote


@contextmanager
def in_the_way(path: Path) -> Iterator[None]:
    """A file stands where a folder has to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    yield
    path.unlink()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait between two tries to push."""
    monkeypatch.setattr(remote._send.retry, "wait", wait_none())  # type: ignore[attr-defined]


@pytest.mark.usefixtures("hasty")
def test_a_remote_that_is_away_stops_nothing_and_gets_everything_later(drops: Drops) -> None:
    with in_the_way(drops.layout.home / ".remote"):
        drops.shot()
        result = run(drops)
        assert (result["accepted"], bool(result["pushed"])) == (1, True)
    said = status.state(drops.layout)["remote"]
    assert said.startswith("1 pushes wait since 2026-11-02 23:00 UTC: ") and len(said) > 45
    check_files(drops)
    assert remote.push.fn(drops.layout) == ""
    assert status.state(drops.layout)["remote"] == ""
    check(drops)


@pytest.mark.usefixtures("hasty")
def test_a_remote_that_takes_only_some_gets_the_rest_later(drops: Drops) -> None:
    shots = [drops.shot() for _ in range(4)]
    refused = hashlib.md5(picture(2), usedforsecurity=False).hexdigest()[:2]
    with in_the_way(drops.layout.home / ".remote" / "files" / "md5" / refused):
        result = run(drops)
        assert (result["accepted"], bool(result["pushed"])) == (len(shots), True)
        assert "1 pushes wait" in status.state(drops.layout)["remote"]
    assert run(drops, SOON)["pushed"] == ""
    check(drops)


# The contract


def spoilt(drops: Drops, good: int = 8, bad: int = 4) -> None:
    for _ in range(good):
        drops.shot()
    for _ in range(bad):
        drops.shot(content=f"no image {drops.number}".encode())


def test_a_batch_with_too_many_refused_files_waits_for_a_person(drops: Drops) -> None:
    from flows.looks import new_batches

    def judged() -> list[str]:
        opened = open_catalog(drops.layout)
        names = new_batches(drops.layout, opened, None)
        opened.close()
        return names

    spoilt(drops)
    result = run(drops)
    (name,) = result["batches"]
    assert "4 of 12 files were refused" in result["held"][name][0]
    assert any("is held" in words for words in module.summary(result))
    assert (result["accepted"], result["refused"]) == (8, 4)
    assert judged() == []
    assert status.state(drops.layout)["held_batches"] == [name]
    check(drops)
    with clock.at(EVENING + SOON):
        holds.rule(drops.layout, name, batches.RELEASED, "Ines", "a new lens, looked at them all")
    assert judged() == [name]
    check(drops)
    with clock.at(EVENING + 2 * SOON):
        holds.rule(drops.layout, name, batches.HELD, "Ines", "not all after all")
        holds.rule(drops.layout, name, batches.DISCARDED, "Lena", "the lens was not mounted")
    assert judged() == []
    check(drops)


def test_a_held_batch_is_left_out_of_the_snapshot(drops: Drops) -> None:
    from inspection.cameras import read_cameras
    from inspection.records.labels import standing
    from inspection.records.ledger import Cut
    from inspection.records.sheets import import_labels
    from inspection.taxonomy import read_taxonomy
    from stages import snapshot

    layout = drops.layout
    spoilt(drops)
    (name,) = run(drops)["batches"]
    keys = table(drops, capture_table)["key"]
    sheet = layout.home.parent / "labels.csv"
    sheet.write_text("key,label\n" + "".join(f"{key},good\n" for key in keys))
    with clock.at(EVENING + SOON):
        import_labels(layout, sheet, "Ines")

    def reasons() -> set[str]:
        events, taxonomy = ledger.read(layout), read_taxonomy(layout.taxonomy)
        rows = snapshot.labelled(
            snapshot.read_captures(events, layout), standing(events), batches.states(events), taxonomy
        )
        return set(snapshot.reasons(rows, Cut(), taxonomy, read_cameras(layout.cameras)))

    assert reasons() == {"held"}
    with clock.at(EVENING + SOON):
        holds.rule(layout, name, batches.RELEASED, "Ines", "looked at them all")
    assert reasons() == {""}


def test_a_batch_that_has_to_be_held_is_held_though_its_ingest_was_killed(zygote: Zygote, drops: Drops) -> None:
    spoilt(drops)
    assert zygote.start(drops.layout, "publish: os.replace", "after").end() is None  # between its two halves
    zygote.run(drops.layout)
    check(drops)
    states = {one.state for one in holds.every(drops.layout) if one.captures}
    assert states == {batches.HELD}


# Sidecars, cameras of 16 bit, and the end of daylight saving


def described(key: str, **changes: str) -> str:
    fields = {"file": key, "camera": "cam-1", "part": "bracket", "serial": "s1", "captured_at": "20261102T061512Z"}
    fields |= changes
    return ",".join(fields) + "\n" + ",".join(fields.values()) + "\n"


def test_an_image_waits_for_its_row_and_the_sheet_leaves_with_it(drops: Drops) -> None:
    key = drops.put("loose.png", picture(1), age=timedelta(0))
    assert (run(drops)["waiting"], waiting(drops)) == (1, [key])
    drops.sheet("later.csv", described(key), timedelta(0))
    assert run(drops, SOON)["accepted"] == 1
    row = table(drops, capture_table).iloc[0]
    assert (row["key"], row["serial"], row["part"]) == (key, "s1", "bracket")
    check(drops)


def test_a_sheet_waits_for_its_image(drops: Drops) -> None:
    drops.sheet("early.csv", described("loose.png"), timedelta(0))
    assert (run(drops)["waiting"], waiting(drops)) == (1, ["early.csv"])
    drops.put("loose.png", picture(1), age=timedelta(0))
    assert run(drops, SOON)["accepted"] == 1
    check_files(drops)


def test_an_image_that_no_row_came_for_in_time_is_refused_by_name(drops: Drops) -> None:
    key = drops.put("loose.png", picture(1))
    assert run(drops)["reasons"].keys() == {key}
    check_files(drops)


def test_a_row_that_contradicts_the_name_is_refused_with_both_values(drops: Drops) -> None:
    key = drops.shot()
    drops.put("sheet.csv", described(key, serial="other").encode(), timedelta(0))
    reason = run(drops)["reasons"][key]
    assert "s00001" in reason and "other" in reason and "sheet.csv, line 2" in reason
    assert waiting(drops) == []


def test_two_rows_that_disagree_refuse_the_image_with_both_places(drops: Drops) -> None:
    key = drops.put("loose.png", picture(1), timedelta(0))
    for serial in ("one", "two"):
        drops.put(f"{serial}.csv", described(key, serial=serial).encode(), timedelta(0))
    reason = run(drops)["reasons"][key]
    assert "one.csv, line 2" in reason and "two.csv, line 2" in reason
    assert waiting(drops) == []


def test_rows_that_no_image_came_for_bring_their_sheet_to_quarantine(drops: Drops) -> None:
    drops.sheet("lone.csv", described("never.png"), timedelta(days=2), refused=True)
    assert "no image came for 1 of its rows (first: line 2)" in run(drops)["reasons"]["lone.csv"]
    check_files(drops)


def test_a_camera_of_16_bit_is_taken_with_its_black_and_white(drops: Drops) -> None:
    layout = drops.layout
    declared = layout.cameras.read_text().replace("bit_depth: 8", "bit_depth: 16\n  black: 256\n  white: 4095", 1)
    layout.cameras.write_text(declared)
    git.commit(layout.home, [layout.cameras], "A camera of 12 bit in 16")
    drops.shot(content=encoded(noise(1, 128, 128, bit_depth=16) >> 4))
    assert run(drops)["accepted"] == 1
    row = pd.read_parquet(batches.on_disk(layout)[0] / batches.MANIFEST).iloc[0]
    assert (row["bit_depth"], row["black"], row["white"]) == (16, 256, 4095)
    check_files(drops)


def test_a_camera_of_16_bit_that_uses_12_and_does_not_say_so_is_told(drops: Drops) -> None:
    layout = drops.layout
    layout.cameras.write_text(layout.cameras.read_text().replace("bit_depth: 8", "bit_depth: 16", 1))
    git.commit(layout.home, [layout.cameras], "A camera of 12 bit in 16, undeclared")
    drops.shot(content=encoded(noise(1, 128, 128, bit_depth=16) >> 4))
    result = run(drops)
    (words,) = result["notes"]
    assert "cam-1 has stored no value above 4095 of the 65535" in words and "`white: 4095`" in words
    assert words in module.summary(result)
    assert any(words in one for one in status.lines(status.state(layout)))
    drops.shot(content=encoded(noise(2, 128, 128, bit_depth=16)))
    assert run(drops, SOON)["notes"] == [] and status.state(layout)["dim"] == []


def test_values_that_are_left_justified_under_a_declared_white_go_to_quarantine(drops: Drops) -> None:
    layout = drops.layout
    declared = layout.cameras.read_text().replace("bit_depth: 8", "bit_depth: 16\n  white: 4095", 1)
    layout.cameras.write_text(declared)
    git.commit(layout.home, [layout.cameras], "A camera of 12 bit in 16")
    key = drops.shot(content=encoded(noise(1, 128, 128, bit_depth=16) & 0xFFF0))
    assert "are they left-justified" in run(drops)["reasons"][key]
    check_files(drops)


def test_a_time_in_the_doubled_hour_is_marked(drops: Drops) -> None:
    drops.put("cam-1/bracket/s1/20261025T023000.png", picture(1))
    drops.put("cam-1/bracket/s2/20261025T023000Z.png", picture(2))
    run(drops)
    rows = table(drops, capture_table).set_index("serial")
    assert list(rows.loc[["s1", "s2"], "time_doubtful"]) == [True, False]
    check_files(drops)


# A bucket


def test_everything_in_a_bucket_arrives_once_though_its_line_breaks(
    drops: Drops,
    s3: Any,  # noqa: F811
    bucket: str,  # noqa: F811
    line: Line,  # noqa: F811
) -> None:
    pictures = {f"cam-1/bracket/s{n}/20261102T061512Z.png": picture(n) for n in range(8)}
    for key, content in pictures.items():
        s3.put_object(Bucket=bucket, Key=f"in/{key}", Body=content)
        drops.put(key, content)  # counted here, taken from the bucket
    shutil.rmtree(drops.layout.home / "inbox")
    (drops.layout.home / "inbox").mkdir()
    settings = drops.layout.params.read_text()
    drops.layout.params.write_text(settings.replace("sidecar: '*.csv'", "sidecar: ''"))
    git.commit(drops.layout.home, [drops.layout.params], "No sidecars")
    line.faults = {"GET": ["500", "503", "stall", "cut", "truncate"], "DELETE": ["503"]}
    with clock.at(EVENING):
        result = tasks.run_here(ingest, f"s3://{bucket}/in", root=drops.layout.root)
    assert result["accepted"] == len(pictures)
    assert held(s3, bucket) == {}
    assert all(not waits for waits in line.faults.values())
    assert check(drops).captures == len(pictures)


# Entries that cannot be taken


def test_an_entry_that_nobody_can_take_is_told_and_keeps_nothing_waiting(drops: Drops) -> None:
    from tests.inspection.intake.test_folder import nested

    inbox, good = drops.layout.home / "inbox", drops.shot()
    nested(inbox, "d", 1100, "deep.png")
    nested(inbox, "n" * 200, 30, "long.png")
    os.mkfifo(inbox / "pipe.png")
    (inbox / "round").symlink_to(inbox / "round")
    try:
        assert "3 that cannot be taken" in status.state(drops.layout)["inbox"]
        result = run(drops)
        assert (result["accepted"], result["refused"], result["waiting"]) == (1, 0, 1)  # the deep one, for its row
        assert len(result["apart"]) == 3 and result["apart"]["pipe.png"].startswith("it is a pipe")
        assert good not in result["reasons"]
        assert any("3 entries of the inbox cannot be taken" in line_ for line_ in module.summary(result))
    finally:
        subprocess.run(["rm", "-rf", inbox], check=True)
