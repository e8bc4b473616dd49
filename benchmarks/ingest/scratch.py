"""A plant with one camera in a temporary folder, and commands run in it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yaml import safe_dump, safe_load

from andon.demo import scratch_plant
from inspection import git
from inspection.cameras import Camera, read_cameras
from inspection.layout import Layout
from plant.shot import Shot

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """One command: seconds by the wall clock, the largest process in MiB, what it printed."""

    seconds: float
    peak: float
    said: str


def run(layout: Layout, *command: str, **environment: str) -> Run:
    """Run `command` in the plant; its output, or its error, is shown if it fails."""
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        env = {**os.environ, "PATH": path, **quiet, **environment}
        process = subprocess.Popen(command, cwd=layout.home, stdout=out, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024, said)


def andon(layout: Layout, *words: str, **environment: str) -> Run:
    return run(layout, sys.executable, "-m", "andon", *words, **environment)


@contextmanager
def scratch(width: int, height: int) -> Iterator[tuple[Layout, Camera]]:
    """A plant with one grey camera, in a temporary folder, that has taken one picture in: its backbone is cut."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        layout = scratch_plant(Path(folder))
        cameras = safe_load(layout.cameras.read_text(encoding="utf-8"))
        camera = {**cameras["cam-1"], "width": width, "height": height}
        layout.cameras.write_text(safe_dump({"cam-1": camera}), encoding="utf-8")
        settings = safe_load(layout.params.read_text(encoding="utf-8"))
        settings["ingest"]["max_past"] = 36_500  # its shots are of a fixed day
        layout.params.write_text(safe_dump(settings, sort_keys=False), encoding="utf-8")
        git.commit(layout.home, [layout.cameras, layout.params], "Bench: one camera")
        yield layout, read_cameras(layout.cameras)["cam-1"]


def fill(layout: Layout, some: Iterator[Shot]) -> int:
    """Write shots into the inbox; their bytes."""
    total = 0
    for shot in some:
        path = layout.home / "inbox" / shot.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shot.content)
        os.utime(path, 2 * (shot.captured_at.timestamp(),))
        total += len(shot.content)
    os.sync()
    return total
