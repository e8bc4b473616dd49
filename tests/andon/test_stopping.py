"""A command that is killed leaves no process behind; one that is stopped says so in a sentence, at once."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.kills.kill import PATIENCE, marked
from benchmarks.kills.world import start
from inspection import lock
from inspection.layout import Layout
from tests.inspection.process.test_tether import until


def server_of(mark: str) -> bool:
    return any("prefect.server.api.server" in " ".join(one.cmdline()) for one in marked(mark))


@pytest.fixture
def started(tiny: Layout, fill: Callable[..., object], tmp_path: Path) -> Iterator[tuple[subprocess.Popen, str, Path]]:
    """An ingest that has its Prefect server and waits for another one, the mark of all that it started, and what it
    said."""
    fill(4)
    mark, said = uuid4().hex, tmp_path / "said"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    with lock.hold(tiny, "ingest", "another ingest"):
        process = start(tiny, ["ingest"], mark, said)
        assert until(lambda: "Waiting for another ingest" in said.read_text(), 120), said.read_text()
        assert server_of(mark)
        yield process, mark, said
        process.kill()
    signal.signal(signal.SIGINT, before)


def test_a_killed_ingest_leaves_no_server_behind(started) -> None:
    process, mark, _ = started
    process.kill()
    process.wait()
    assert until(lambda: not marked(mark), PATIENCE), [one.cmdline() for one in marked(mark)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_ingest_says_one_sentence_and_is_gone_at_once(started, number: signal.Signals) -> None:
    """Ctrl-C reaches all that belong to the terminal, SIGTERM only the one."""
    process, mark, said = started
    began = time.monotonic()
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    assert process.wait(30) == 128 + number
    assert time.monotonic() - began < 5
    others = ("andon ingest: ", "Waiting for ", "This runs as root")
    told = [line for line in said.read_text().splitlines() if not line.startswith(others)]
    assert told == ["Stopped; what was done is kept. Run the same command again: it does what is left."]
    assert until(lambda: not marked(mark), PATIENCE), [one.cmdline() for one in marked(mark)]


def test_what_was_stopped_is_finished_by_the_next_run(
    tiny: Layout, fill: Callable[..., object], tmp_path: Path
) -> None:
    fill(4)
    process = start(tiny, ["ingest"], uuid4().hex, tmp_path / "said")
    assert until(lambda: "Reading" in (tmp_path / "said").read_text() or process.poll() is not None, 120)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert start(tiny, ["ingest"], uuid4().hex, tmp_path / "next").wait(900) == 0, (tmp_path / "next").read_text()
    assert not [path for path in (tiny.home / "inbox").rglob("*") if path.is_file()]
