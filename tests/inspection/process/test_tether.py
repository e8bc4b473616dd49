"""Processes end with the one that started them: at once, through others, and if it is gone before they look."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspection.process import tether
from tests.conftest import ROOT

PATIENCE = 5.0
CHILD = "from inspection.process import tether; tether.tie(); import sys, time; open(sys.argv[1], 'w'); time.sleep(60)"
PARENT = """
import os, subprocess, sys, time
from inspection.process import tether
env = {**os.environ, **tether.environment()}
for words in eval(sys.argv[1]):
    subprocess.Popen(words, env=env, process_group=0)
time.sleep(60)
"""


def run(*words: object, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([str(one) for one in words], env={**os.environ, "PYTHONPATH": str(ROOT), **more})


def alive(mark: Path) -> list[str]:
    """The command lines that hold a path, zombies left out."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            line = (one / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            if str(mark) in line and (one / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(line)
        except OSError:
            continue
    return found


def until(true, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_a_killed_parent_takes_children_and_grandchildren_with_it(tmp_path: Path) -> None:
    """As a retrain does: between it and its stage stand a program and a shell that know nothing of it."""
    plain, deep = tmp_path / "plain", tmp_path / "deep"
    shell = f'{sys.executable} -c "{CHILD}" {deep}; true'
    between = f"import subprocess, sys; subprocess.run(['sh', '-c', {shell!r}], close_fds=True)"
    words = [[sys.executable, "-c", CHILD, str(plain)], [sys.executable, "-c", between, str(tmp_path)]]
    parent = run(sys.executable, "-c", PARENT, repr(words))
    assert until(lambda: plain.exists() and deep.exists())
    assert len(alive(tmp_path)) >= 4
    parent.kill()
    parent.wait()
    assert until(lambda: not alive(tmp_path), PATIENCE), alive(tmp_path)


def test_a_module_of_somebody_else_ends_with_us(tmp_path: Path) -> None:
    here = tmp_path / "somebodys.py"
    here.write_text("import sys, time\nopen(sys.argv[1], 'w')\ntime.sleep(60)\n")
    words = tether.command("somebodys", str(tmp_path / "started"))
    parent = run(sys.executable, "-c", PARENT, repr([words]), PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert until((tmp_path / "started").exists)
    parent.kill()
    parent.wait()
    assert until(lambda: not alive(tmp_path), PATIENCE)


def test_who_is_gone_before_the_child_looks_is_found_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    child = run(sys.executable, "-c", CHILD, tmp_path / "x", ANDON_ENDS_WITH=f"{gone.pid}:12345")
    assert child.wait(30) == 128 + signal.SIGKILL
    assert not (tmp_path / "x").exists()


def test_a_number_that_was_given_again_is_not_taken_for_the_parent(tmp_path: Path) -> None:
    child = run(sys.executable, "-c", CHILD, tmp_path / "x", ANDON_ENDS_WITH=f"{os.getpid()}:1")
    assert child.wait(30) == 128 + signal.SIGKILL


@pytest.mark.parametrize("whose", [{}, {"ANDON_ENDS_WITH": tether.here()}], ids=["nobody", "one that lives"])
def test_a_child_of_nobody_or_of_one_that_lives_goes_on(tmp_path: Path, whose: dict[str, str]) -> None:
    child = run(sys.executable, "-c", CHILD, tmp_path / "x", **whose)
    assert until((tmp_path / "x").exists)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.kill()
    child.wait()
