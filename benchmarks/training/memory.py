"""The most memory that a training holds."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Figure
from benchmarks.training.bench import Bench
from benchmarks.training.folder import folds
from benchmarks.training.ours import ours, store


def memory(bench: Bench, arguments: Sequence[str]) -> Iterator[Figure]:
    """The most memory that a training held, from pictures to the tuned network, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", *arguments, "--alone"]
    most = bench.once("memory", lambda: {"gigabytes": float(subprocess.check_output(command, text=True).split()[-1])})
    value = float(most["gigabytes"])
    yield Figure("peak memory of a training, caching included", value, "GiB", "≤ 2", value <= 2)


def alone(bench: Bench) -> None:
    """Train once, and print the most memory that this process has held, in GiB."""
    fold = next(folds(bench.table))
    with TemporaryDirectory() as folder:
        ours(bench, fold.train, fold.val, store(bench, folder), bench.settings.train.tail_lr)
    print(_most_memory())


def _most_memory() -> float:
    """GiB that this process has held at most; `ru_maxrss` would count the process that started it as well."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
