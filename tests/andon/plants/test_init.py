"""`andon init` at a terminal and without one."""

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.cameras import read_cameras
from inspection.taxonomy import read_taxonomy

ANSWERS = {  # the end of a question -> what is typed
    "example cameras): ": "left, right",
    "left: on which line [A]: ": "B",
    "left: width x height in pixels, such as 1280x960: ": "640x480",
    "left: does it deliver colour [y/N]: ": "n",
    "left: kinds of parts that it sees [part]: ": "lid cap",
    "left: how many sides of a part does it photograph (empty: the labels will show): ": "2",
    "left: time zone [UTC]: ": "Europe/Berlin",
    "right: on which line [A]: ": "",
    "right: width x height in pixels, such as 1280x960: ": "1280x960",
    "right: does it deliver colour [y/N]: ": "y",
    "right: kinds of parts that it sees [part]: ": "",
    "right: how many sides of a part does it photograph (empty: the labels will show): ": "",
    "right: time zone [UTC]: ": "",
    "Classes that may pass [good]: ": "",
    "example ones): ": "dent scratch",
}


@pytest.fixture(autouse=True)
def _committer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ines\n\temail = ines@plant.invalid\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "andon", "init", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def at_a_terminal(folder: Path, answers: dict[str, str], *words: str) -> str:
    """What stood on the screen of somebody who answers each question."""
    child, screen = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "andon", "init", *words])
    said, waiting = "", dict(answers)
    while select.select([screen], [], [], 30)[0]:
        try:
            said += os.read(screen, 4096).decode()
        except OSError:  # the other end is closed
            break
        for question in [one for one in waiting if said.endswith(one)]:
            os.write(screen, f"{waiting.pop(question)}\n".encode())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    assert not waiting
    return said


def test_it_asks_for_cameras_and_classes(tmp_path: Path) -> None:
    said = at_a_terminal(tmp_path, ANSWERS, "plant")
    cameras, taxonomy = (
        read_cameras(tmp_path / "plant" / "cameras.yaml"),
        read_taxonomy(tmp_path / "plant/taxonomy.yaml"),
    )
    assert [(c.name, c.line, c.width, c.height, c.mode, c.parts, c.time_zone) for c in cameras.values()] == [
        ("left", "B", 640, 480, "L", ("lid", "cap"), "Europe/Berlin"),
        ("right", "A", 1280, 960, "RGB", ("part",), "UTC"),
    ]
    assert [camera.sides for camera in cameras.values()] == [2, None]
    assert {name: one.acceptable for name, one in taxonomy.classes.items()} == {
        "good": True,
        "dent": False,
        "scratch": False,
    }
    assert "Next:" in said
    assert "`andon ingest`" in said


def test_options_answer_without_a_terminal(tmp_path: Path) -> None:
    words = (
        "--camera",
        "top",
        "--size",
        "300x200",
        "--mode",
        "RGB",
        "--part",
        "lid",
        "--defect",
        "dent",
        "--good",
        "ok",
    )
    done = init(tmp_path, "plant", "--name", "Press shop 2", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "Press shop 2"
    (camera,) = read_cameras(tmp_path / "plant" / "cameras.yaml").values()
    assert (camera.name, camera.width, camera.height, camera.mode, camera.parts) == ("top", 300, 200, "RGB", ("lid",))
    assert set(read_taxonomy(tmp_path / "plant" / "taxonomy.yaml").classes) == {"ok", "dent"}


def test_without_an_answer_it_holds_examples_and_says_so(tmp_path: Path) -> None:
    done = init(tmp_path, "plant")
    assert done.returncode == 0, done.stderr
    assert "Edit cameras.yaml and taxonomy.yaml, which hold an example" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("gitconfig",), "is no folder"),
        (("plant", "--name", "a\nb"), "is no name for a plant"),
        (("plant", "--camera", "top"), "--size WIDTHxHEIGHT"),
        (("plant", "--camera", "top", "--size", "wide"), "--size WIDTHxHEIGHT"),
        (("plant", "--camera", "top", "--size", "3x2", "--time-zone", "Mars"), "unknown time zone"),
        (("plant", "--like", "nowhere"), "is no folder"),
    ],
)
def test_what_cannot_be_is_one_clear_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = init(tmp_path, *words)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gitconfig"]
