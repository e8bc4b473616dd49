import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from inspection import clock, lock
from inspection.errors import WaitForOther
from inspection.layout import Layout
from tests.conftest import ROOT
from tests.inspection.world import NOON

HOLD = (
    "import sys, time; from pathlib import Path; from inspection import lock; from inspection.layout import Layout\n"
    "here = Path(sys.argv[1])\n"
    "with lock.hold(Layout(here, here), 'write', 'importing labels from monday.csv'):\n"
    "    print('held', flush=True); sys.stdin.readline()\n"
)


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.fixture
def other(layout: Layout) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts a second process that holds the lock `write`."""
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(layout.home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            pipe.close()


def test_a_lock_held_by_another_process_is_refused_and_the_message_names_the_holder(layout: Layout, other) -> None:
    process = other()
    told: list[str] = []
    with (
        pytest.raises(WaitForOther) as refusal,
        lock.hold(layout, "write", "a test", patience=0.1, tell=told.append),
    ):
        pytest.fail("two processes hold one lock")
    for words in (str(refusal.value), *told):
        assert "importing labels from monday.csv" in words and f"process {process.pid}" in words
    assert len(told) == 1 and "Try again" in str(refusal.value) and "\n" not in str(refusal.value)


def test_another_lock_is_free_meanwhile(layout: Layout, other) -> None:
    other()
    with lock.hold(layout, "ingest", "a test", patience=0):
        pass


def test_a_killed_holder_frees_its_lock(layout: Layout, other) -> None:
    other().kill()
    with lock.hold(layout, "write", "a test", patience=5):
        pass


def test_whoever_waits_goes_on_as_soon_as_the_holder_has_finished(layout: Layout, other) -> None:
    process = other()
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)
        process.stdin.close()

    begin = time.monotonic()
    with lock.hold(layout, "write", "a test", patience=20, tell=tell):
        assert time.monotonic() - begin < 10
    assert told and told[0].startswith("Waiting for importing labels")


def test_one_process_may_hold_its_lock_twice(layout: Layout) -> None:
    with lock.hold(layout, "write", "outer", patience=0), lock.hold(layout, "write", "inner", patience=0):
        pass


def test_an_error_inside_frees_the_lock(layout: Layout, other) -> None:
    with pytest.raises(KeyError), lock.hold(layout, "write", "a test"):
        raise KeyError
    other()  # gets it


def test_the_holder_says_since_when(layout: Layout) -> None:
    with clock.at(NOON), lock.hold(layout, "write", "a test"):
        note = (layout.state / "locks" / "write.holder").read_text()
    assert "2026-11-02T12:00:00" in note


def test_a_damaged_note_of_the_holder_does_not_hide_that_the_lock_is_held(layout: Layout, other) -> None:
    other()
    (layout.state / "locks" / "write.holder").write_text("{")
    with pytest.raises(WaitForOther, match="held by another process"), lock.hold(layout, "write", "x", patience=0):
        pass


def test_who_holds_a_lock_is_said_without_waiting_for_it(layout: Layout, other: Callable[[], subprocess.Popen]) -> None:
    assert lock.at_work(layout, ["write", "watch"]) == []
    other()
    [words] = lock.at_work(layout, ["write", "watch"])
    assert "importing labels from monday.csv" in words and lock.at_work(layout, ["watch"]) == []
