"""Cameras that another hand drew: their module, loaded from where it lies, and windows of their pictures.

The module is a judge: it is read and never written, and of it this room knows no more than `Camera`, `CLEAN`, `FAULTS`,
`CONTENT`, `IMAGES` and `A_DAY`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection.errors import FixInput

REFERENCE, WATCHED = 0, 1  # phases: pictures to learn from, and others
FILE = "cameras.py"

Levels = NDArray[np.float32]  # (H, W, C), 0..255


@dataclass(frozen=True, order=True)
class Seat:
    """One camera: a healthy one by its name, and a seed."""

    camera: str
    seed: int

    def __str__(self) -> str:
        return f"{self.camera} {self.seed}"


@dataclass(frozen=True)
class Taken:
    """The pictures of a window.

    Attributes:
        rows: one a picture, as the catalog has them; `levels` are by their `capture_id`.
    """

    rows: pd.DataFrame
    levels: Mapping[str, Levels]

    def load(self, row: Any) -> Levels:
        return self.levels[row.capture_id]


class _Unwritten(SourceFileLoader):
    """Leaves no bytecode beside the judge."""

    def set_data(self, path: str, data: Any, **_: Any) -> None:
        return


@lru_cache(maxsize=1)
def _module(folder: Path) -> Any:
    path = folder / FILE
    if not path.is_file():
        raise FixInput(f"There is no {FILE} in {folder}: name the folder of the streams with --streams.")
    spec = spec_from_loader("outside_cameras", _Unwritten("outside_cameras", str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=12)
def _camera(folder: Path, seat: Seat) -> Any:
    module = _module(folder)
    return module.Camera(seat.camera, seed=seat.seed, **module.CLEAN[seat.camera])


@dataclass(frozen=True)
class Streams:
    """The cameras in a folder."""

    folder: Path

    @property
    def module(self) -> Any:
        return _module(self.folder)

    @property
    def images(self) -> int:
        """Of a window."""
        return int(self.module.IMAGES)

    @property
    def a_day(self) -> int:
        """Windows of a day."""
        return int(self.module.A_DAY)

    @property
    def cameras(self) -> list[str]:
        """The healthy ones."""
        return list(self.module.CLEAN)

    @property
    def digest(self) -> str:
        """Of the module's text."""
        return sha256((self.folder / FILE).read_bytes()).hexdigest()

    def laid(self, change: str) -> Mapping[str, Any]:
        """The arguments of `window` for a change of content."""
        return dict(self.module.CONTENT[change][0])

    def camera(self, seat: Seat) -> Any:
        return _camera(self.folder, seat)

    def window(self, seat: Seat, number: int, phase: int = WATCHED, what: Mapping[str, Any] | None = None) -> Taken:
        """A window by its number from the first day on.

        Args:
            what: further arguments of the module's `window`: what is laid on it.
        """
        day, window = divmod(number, self.a_day)
        rows, levels = [], {}
        taken = self.camera(seat).window(day=day, window=window, phase=phase, images=self.images, **(what or {}))
        for place, (picture, part, at, key) in enumerate(taken):
            capture = f"{key[:12]}-{number}-{place}"
            levels[capture] = picture
            rows.append((capture, key, seat.camera, "A", part, f"{number}-{place}", pd.Timestamp(at).tz_convert(None)))
        columns = ["capture_id", "image_id", "camera", "line", "part", "serial", "captured_at"]
        return Taken(pd.DataFrame(rows, columns=columns), levels)
