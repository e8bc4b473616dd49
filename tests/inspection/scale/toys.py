"""Work that computes nothing, for workers of any kind: what an item does is said by its name."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from distributed.scheduler import KilledWorker

from inspection.errors import FixInput
from inspection.network.features import Features, Recipe
from inspection.network.shelf import Shelf
from inspection.scale.work import Tools


@dataclass(frozen=True)
class Naming:
    """Items -> their names in capitals. `log`: a folder in which each call leaves a file."""

    log: Path | None = None
    pause: float = 0.0

    def __call__(self, items: Sequence[str], tools: Tools) -> Iterator[str]:
        for item in items:
            if item.startswith("deadly"):
                os._exit(7)
            if item.startswith("as if deadly"):
                raise KilledWorker(item, SimpleNamespace(address="tcp://gone"), 3)  # type: ignore[arg-type]
            if item.startswith("wrong"):
                raise FixInput("This item is wrong: correct it.")
            if item.startswith("closed"):
                raise PermissionError(13, "Permission denied", "/mnt/inbox")
            time.sleep(self.pause)
            if self.log is not None:
                (self.log / f"{item}.{os.getpid()}").touch()
            yield item.upper()

    def lost(self, item: str) -> str:
        return f"lost {item}"


def blank(folder: Path) -> tuple[Shelf, Features]:
    """A shelf, and features of a network that is only bytes."""
    shelf, path = Shelf(folder / "shelf"), folder / "network.onnx"
    path.write_bytes(b"a network")
    digest = shelf.keep(path.read_bytes())
    return shelf, Features.by(Recipe(digest, 2, 1, 1, "f32"), path, shelf, threads=1)


def names(count: int) -> list[str]:
    return [f"n{number:03d}" for number in range(count)]
