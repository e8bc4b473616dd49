"""A small plant as it stands before each of the commands that are killed, made once; and copies of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from yaml import safe_dump, safe_load

from andon.plants.founding import Wishes, found
from inspection import fingerprint, git
from inspection.cameras import read_cameras
from inspection.layout import Layout
from plant.line import Plant
from plant.shot import Shot, drop, write_labels

COMMANDS: Mapping[str, Sequence[str]] = {
    "ingest": ("ingest",),
    "watch": ("watch",),
    "retrain": ("retrain", "--by", "Erik", "--reason", "second"),
    "approve": ("approve", "v1.1.0", "--by", "Lena"),
    "rollback": ("rollback", "v1.0.0", "--by", "Lena"),
    "verify": ("verify",),
}
EASY: Mapping[str, Mapping[str, Any]] = {
    "ingest": {"settle": 0, "max_past": 36_500},  # its shots are of a fixed day
    "mail": {"digest": False},
    "validate": {"min_images": 20},
    "train": {
        "epochs": 40,
        "patience": 40,
        "min_steps": 0,
        "min_labels": 1,
        "min_parts": 1,
        "depth": "tail",
        "tail_lr": 0.0002,
        "head_lr": 0.0002,
    },
    "embed": {"views": 2},
    "promotion": {"min_test_defects": 3, "floor": 0.0, "min_gain": 0.0},
}
DAY = date(2026, 11, 2)
SHARED = (".dvc/cache", ".remote", ".andon/backbones", ".git/objects")  # files that nobody changes: one for all copies
MARK = "ANDON_KILLS_MARK"  # in the environment of a command and of all that it starts
ROOT = Path(__file__).parents[2]
_SECOND = 5  # seed of the second day's pictures, with which the second model passes the gate


class World:
    """Plants in a folder, one for each command, as it stands before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = folder / "made.json"
        now = json.dumps([fingerprint.current()["code"], SHARED, _SECOND])
        if not made.exists() or made.read_text() != now:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._make()
            made.write_text(now)

    def copy(self, command: str, name: str) -> Layout:
        """The plant as it stands before the command, at a place of its own."""
        target = self.folder / "copies" / name
        shutil.rmtree(target, ignore_errors=True)
        source = self.folder / command
        shared = tuple(f"{source / one}{os.sep}" for one in SHARED)

        def copied(old: str, new: str) -> str:
            if old.startswith(shared):
                os.link(old, new)
                return new
            return str(shutil.copy2(old, new))

        shutil.copytree(source, target, symlinks=True, copy_function=copied)
        return Layout(target.resolve(), target.resolve())

    def _make(self) -> None:
        layout = found(self.folder / "plant", Wishes("Kills"), ("Andon kills", "kills@andon.invalid"))
        settings = safe_load(layout.params.read_text(encoding="utf-8"))
        for section, values in EASY.items():
            settings[section] |= values
        layout.params.write_text(safe_dump(settings, sort_keys=False), encoding="utf-8")
        git.commit(layout.home, [layout.params], "Kills: a small plant")
        shots = _drawn(layout, 30, 1, DAY)
        _andon(layout, "ingest")
        self._label(layout, shots)
        _andon(layout, "retrain", "--by", "Erik", "--reason", "first")
        _andon(layout, "approve", "v1.0.0", "--by", "Lena")
        shots = _drawn(layout, 24, _SECOND, DAY + timedelta(days=1))
        for command in COMMANDS:
            if command == "retrain":
                self._label(layout, shots)
            shutil.copytree(layout.home, self.folder / command, symlinks=True)
            _andon(layout, *COMMANDS[command])

    def _label(self, layout: Layout, shots: Sequence[Shot]) -> None:
        sheet = self.folder / "labels.csv"
        write_labels(shots, sheet, "Ines")
        _andon(layout, "label", "import", str(sheet), "--by", "Ines")


def _drawn(layout: Layout, count: int, seed: int, day: date) -> list[Shot]:
    """A day's pictures, which lie in the inbox now."""
    shots = list(Plant(seed, tuple(read_cameras(layout.cameras).values())).shots(day, count))
    drop(shots, layout.home / "inbox")
    return shots


def _andon(layout: Layout, *words: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        if start(layout, words, "", said).wait():
            raise RuntimeError(f"andon {' '.join(words)} failed:\n{said.read_text()[-2000:]}")


def start(layout: Layout, words: Sequence[str], mark: str, said: Path) -> "subprocess.Popen[bytes]":
    """A command in the plant; all that it starts is known by its mark."""
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", MARK: mark, "PYTHONPATH": str(ROOT)}
    with said.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "andon", *words],
            cwd=layout.home,
            env={**os.environ, **quiet},
            process_group=0,  # Ctrl-C reaches it and what it starts, and nobody else
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
