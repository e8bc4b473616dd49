"""Ingest is killed (SIGKILL) at each of its steps and at random instants: no capture is lost, none taken twice.

`make slow` kills at every third step, at others with each commit; `ANDON_KILLS=all make slow` at all, and more often at
random.
"""

import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from inspection.layout import Layout
from tests.conftest import EVENING, ROOT
from tests.pipeline import faults
from tests.pipeline.faults import Count, Drops, Zygote, check, check_clone, check_files, copy_plant, small_plant, steps

pytestmark = pytest.mark.usefixtures("prefect_harness")
KILLS = [(str(step), "after") for step in steps()]  # before a step is after the one that precedes it
REMOTE_AWAY = "push: backlog.failed"  # the steps that are reached only then
HUGE_SHEET = "Arrived.read_sheets: unread"
LONG_NAME = ("put_aside: within.parent.mkdir", "clear: folder.rmdir")
TORN = {  # by a kill that came before
    "_clear_torn_note: make_lock": ".dvc/tmp/rwlock",
    "_clear_torn_note: note.unlink": ".dvc/tmp/rwlock",
    "track: pointer.unlink": "data/batches/2026-11-01.dvc",
}
PER_PLANT = 12  # kills, of which each finds what the ones before left
ALL = os.environ.get("ANDON_KILLS") == "all"
INSTANTS = 100 if ALL else 30
World = tuple[Layout, list[str]]


@pytest.fixture(scope="module")
def zygote(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture(scope="module")
def plant(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A plant with one batch, and the names in it."""
    layout = small_plant(tmp_path_factory.mktemp("kills") / "plant", contract__max_refused_share=0.9)
    drops = Drops(layout)
    names = [drops.shot(camera) for camera in ("cam-1", "cam-1", "cam-2", "cam-2")]
    drops.monster()
    drops.shot(content=faults.NO_IMAGE)
    assert zygote.run(layout)["accepted"] == 4
    return layout, names


def copied(plant: World, folder: Path) -> Drops:
    """The plant at another place, with what was dropped there so far."""
    layout, names = plant
    drops = Drops(copy_plant(layout, folder))
    there = [*faults.accepted(layout), *faults.refused(layout)]
    drops.number, drops.captures = len(names), dict.fromkeys(there, "")
    return drops


@contextmanager
def remote_away(layout: Layout) -> Iterator[None]:
    """A file stands where the remote's folder was."""
    remote, aside = layout.home / ".remote", layout.home / ".remote-aside"
    remote.rename(aside)
    remote.touch()
    try:
        yield
    finally:
        remote.unlink()
        aside.rename(remote)


def kill_at(zygote: Zygote, drops: Drops, known: Sequence[str], step: str, moment: str) -> Count:
    """Ingest one file of each kind, die there, ingest again, and look for everything."""
    drops.everything(known)
    if step in TORN:
        (drops.layout.home / TORN[step]).write_bytes(b"")
    if step == HUGE_SHEET:
        drops.sheet("huge.csv", "file,serial\n" + 2**26 * " ", timedelta(days=2), refused=True)
    if step in LONG_NAME:
        drops.long_named()
    if "put_back" in step:
        drops.replaced()
    child = zygote.start(drops.layout, step, moment)
    if step == REMOTE_AWAY:
        with remote_away(drops.layout):
            outcome = child.end()
    else:
        outcome = child.end()
    assert outcome is None, f"{step} was never reached: {outcome}"
    zygote.run(drops.layout)
    try:
        return check_files(drops)
    except AssertionError as error:
        raise AssertionError(f"killed {moment} {step}: {error}") from error


def test_every_call_of_ingest_is_a_step_or_known_to_be_harmless() -> None:
    names = {str(step) for step in steps()}
    assert len(names) > 60
    assert {"publish: os.replace", "clear: box.remove", "record: git.commit", "_add: repo.add"} <= names


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("publish: os.replace", "after"),
        ("_add: repo.add", "before"),
        ("ingest: quarantine.begin", "after"),
        ("leave: quarantine.leave", "before"),
        ("ingest: quarantine.finish", "before"),
        ("clear: box.remove", "before"),
        ("clear: box.remove", "after"),
        ("_renamed: path.rename", "after"),
        ("put_back: os.link", "after"),
        ("clear: folder.rmdir", "before"),
    ],
)
def test_killed_at_a_step_the_next_run_finishes_the_job(
    zygote: Zygote, plant: World, tmp_path: Path, step: str, moment: str
) -> None:
    drops = copied(plant, tmp_path / "plant")
    kill_at(zygote, drops, plant[1], step, moment)
    found = check(drops)
    print(found)
    long_name = step in LONG_NAME
    assert found.captures == 6 + 11 + 2 * ("put_back" in step) + long_name
    assert check_clone(drops.layout, tmp_path / "clone") == 4 + 5 + long_name


def commits() -> int:
    """Of this checkout; 0 where it is none."""
    done = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout or 0)


@pytest.mark.slow
def test_killed_after_every_step_nothing_is_lost(zygote: Zygote, plant: World, tmp_path: Path) -> None:
    def some(share: Sequence[Sequence[tuple[str, str]]]) -> int:
        captures = 0
        for number, kills in enumerate(share):
            drops = copied(plant, tmp_path / f"{id(share)}-{number}")
            for step, moment in kills:
                kill_at(zygote, drops, plant[1], step, moment)
            captures += check(drops).captures
        return captures

    mine = KILLS if ALL else KILLS[commits() % 3 :: 3]
    groups = [mine[start : start + PER_PLANT] for start in range(0, len(mine), PER_PLANT)]
    captures = sum(faults.in_plants(groups, some))
    print(f"{len(steps())} steps, {len(mine)} kills, captures: {captures}, lost 0, doubled 0, in both 0")


def drop_some(drops: Drops, chance: random.Random, shots: list[str]) -> None:
    """What arrives between two ingests; a name is used again only once its file has left the inbox."""
    left = [key for key in shots if not (drops.layout.home / "inbox" / key).exists()]
    shots += [drops.shot(chance.choice(("cam-1", "cam-2"))) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        drops.shot(content=f"no image {drops.number}".encode())
    if chance.random() < 0.3:
        drops.described()
    if chance.random() < 0.05:
        drops.shot(content=bytes(4_300_200 + drops.number))
    for act in (drops.again, drops.renewed):
        if left and chance.random() < 0.4:
            act(left.pop(chance.randrange(len(left))))


@pytest.mark.slow
def test_killed_at_random_instants_nothing_is_lost(zygote: Zygote, tmp_path: Path) -> None:
    layout = small_plant(tmp_path / "plant", batches__partition_images=40)
    drops, chance, shots = Drops(layout), random.Random(7), list[str]()
    drop_some(drops, chance, shots)
    started = time.monotonic()
    zygote.run(layout)
    length, killed, finished = time.monotonic() - started, 0, 0
    while killed < INSTANTS:
        number = killed + finished
        drop_some(drops, chance, shots)
        child = zygote.start(layout, now=EVENING + timedelta(minutes=number // 3))  # three at the same second
        started, delay = time.monotonic(), random.SystemRandom().uniform(0, length)
        if child.wait(delay):
            length = min(length, time.monotonic() - started)
        child.kill(group=number % 2 == 0)
        outcome = child.end()
        killed, finished = killed + (outcome is None), finished + (outcome is not None)
        print(f"{number}: {'killed' if outcome is None else outcome.get('error', 'finished')} after {delay:.3f} s")
        assert finished <= INSTANTS
    zygote.run(layout, EVENING + timedelta(hours=2))
    found = check(drops)
    assert check_clone(layout, tmp_path / "clone") > 0
    print(f"{killed} killed, {finished} finished before; {found}")
