"""Windows that are due, camera by camera -> what is said of each, by this computer or by a worker of the cluster.

A camera's windows are one item of the work, for each is judged with the sums over those before it.
"""

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from inspection.errors import CheckHistory, FetchData, FixSettings, Unforeseen
from inspection.params import Params
from inspection.pictures.images import levels_of
from inspection.scale.engine import Engine, Here
from inspection.scale.work import Tools
from monitoring.camera.window import Window
from monitoring.content.healthy import Content
from monitoring.content.parts import Shown
from monitoring.judgement import looking
from monitoring.judgement.climb import Climb, climbs
from monitoring.judgement.diagnosis import Verdict, not_judged
from monitoring.judgement.limit import Limit
from monitoring.judgement.looking import Look
from monitoring.judgement.reference import Reference, load

Told = tuple[Verdict, tuple[str, ...]]  # of a window, and its images that could not be read, in words
_ENDS = (
    "This window could not be judged: whatever worker of the cluster looks at the camera's windows ends. Give workers "
    'more memory (`andon scale worker --memory`), or set scale.dask to "" so that this computer looks at the next ones.'
)


@dataclass(frozen=True)
class Held:
    """A camera's reference: where it lies, by its digest, and what is known of it besides.

    Attributes:
        limits, content: with what the flow alone knows, how often the live model rejects healthy parts.
        at_hand: the reference itself, where the flow has read it. It stays on this computer: a worker reads its own, as
            the maps are megabytes.
    """

    folder: Path
    digest: str
    version: str
    limits: Mapping[str, Limit]
    content: Content | None
    at_hand: Reference | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, reference: Reference, folder: Path, digest: str) -> "Held":
        """A reference that was read from `folder`, with what the flow alone knows of it."""
        return cls(folder, digest, reference.version, reference.limits, reference.content, reference)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "at_hand": None}

    def reference(self) -> Reference:
        """As the flow has read it, or from the disk; raises as `reference.load`."""
        if self.at_hand is not None:
            return self.at_hand
        return replace(load(self.folder, self.digest), limits=dict(self.limits), content=self.content)


@dataclass(frozen=True)
class Due:
    """A camera's windows in the order of capture, and what they are held against.

    Attributes:
        shown: what the pictures of each show, or why that cannot be told; None: only the camera is judged.
        before: the CUSUMs of the windows before them.
    """

    windows: Sequence[pd.DataFrame]
    shown: Sequence[Shown | Unforeseen | None]
    held: Held | None = None
    before: Mapping[str, Climb] | None = None
    mm_per_px: float | None = None

    @property
    def camera(self) -> str:
        return str(self.windows[0]["camera"].iloc[0])


@dataclass(frozen=True)
class Judging:
    """Windows held against their cameras' references.

    Args:
        home: of the plant; its pictures and references are read there, on a worker as well.
    """

    home: Path
    settings: Params

    def __call__(self, items: Sequence[Due], tools: Tools) -> Iterator[list[Told]]:
        """What is said of each camera's windows."""
        for item in items:
            yield list(self._told(item, _reference(item.held, tools.away) if item.held else None))

    def lost(self, item: Due) -> list[Told]:
        """Windows that no worker survives are not comparable, which is told; all other cameras' are judged."""
        return [(not_judged(Window(item.camera), _ENDS), ()) for _ in item.windows]

    def _told(self, item: Due, reference: Reference | None) -> Iterator[Told]:
        pictures, sums = partial(levels_of, self.home, self.settings.ingest.max_megapixels), item.before
        for rows, shown in zip(item.windows, item.shown, strict=True):
            show = None if shown is None else partial(_given, shown)
            one = looking.look(rows, reference, self.settings, pictures, sums, item.mm_per_px, show)
            if reference is not None:
                sums = climbs([one.verdict.measurement.values], reference.limits, sums)
            yield one.verdict, one.missing


def judged(engine: Engine, judging: Judging, due: Sequence[Due], tools: Tools) -> Generator[list[Look], None, None]:
    """The looks at each camera's windows, in order. Where a worker cannot read a picture this computer looks again,
    for only it can say that a picture is not there."""
    for item, there in zip(due, engine.rows(judging, due, shard=1), strict=True):
        told = there
        if not isinstance(engine, Here) and _missing(there):
            (told,) = Here(tools).rows(judging, [item])
            _tell(item, there, told)
        version = item.held.version if item.held else ""
        yield [
            Look(looking.named(rows), rows, verdict, missing, version)
            for rows, (verdict, missing) in zip(item.windows, told, strict=True)
        ]


def _reference(held: Held, away: bool) -> Reference:
    """Raises FixSettings: a worker does not find what the flow has just read; on the flow's computer as `load`."""
    try:
        return held.reference()
    except (CheckHistory, FetchData, OSError) as error:
        if not away:
            raise
        raise FixSettings(
            f"A worker of the cluster does not find the camera's reference in {held.folder} ({type(error).__name__}): "
            "mount the plant's references/ and data/batches/ there, under the path that they have here."
        ) from None


def _given(shown: Shown | Unforeseen) -> Shown | Unforeseen:
    return shown


def _missing(told: Sequence[Told]) -> list[str]:
    return [words for _, missing in told for words in missing]


def _tell(item: Due, there: Sequence[Told], here: Sequence[Told]) -> None:
    """Of a worker that lacks what is here, in words; what is missing here too, the window says."""
    if only := [words for words in _missing(there) if words not in _missing(here)]:
        print(
            f"A worker of the cluster could not read {len(only)} pictures of {item.camera} that are here ({only[0]}): "
            "this computer looked at its windows. Mount the plant's data/batches/ on every worker, under the path that "
            "it has here.",
            file=sys.stderr,
        )
