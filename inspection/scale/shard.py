"""Some of the items, as a worker takes them: it fetches settings and network by hash, computes, and answers in rows."""

import pickle
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from inspection.errors import FixSettings
from inspection.network.features import Features, Recipe
from inspection.network.shelf import Shelf
from inspection.scale import badge
from inspection.scale.work import Tools, Work

_KEPT = 8  # pieces of work, and networks, that a worker holds open


@dataclass(frozen=True)
class Parcel:
    """What all shards of a piece of work share, by hash: the shelf holds the rest.

    Attributes:
        badge: that a worker must wear.
        work: SHA-256 of the packed work.
        recipe: it names the network by its SHA-256.
    """

    badge: str
    shelf: Path
    work: str
    recipe: Recipe

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        """The items' rows; runs on a worker.

        Raises:
            FixSettings: this worker computes by other code, or does not see what was put on the shelf.
        """
        if self.badge != badge.badge(badge.told()):
            raise FixSettings(f"A worker of other code was handed work of {self.badge}: start the workers anew.")
        with tempfile.TemporaryDirectory(prefix="andon-") as folder:
            tools = Tools(_features(self.shelf, self.recipe), Path(folder), threads=1, away=True)
            return list(_work(self.shelf, self.work)(items, tools))


def packed(work: Work[Any, Any]) -> bytes:
    """As it is sent: settings, cameras, masks and what the flow knows of the items."""
    return zlib.compress(pickle.dumps(work), 1)


@lru_cache(_KEPT)
def _work(folder: Path, digest: str) -> Work[Any, Any]:
    work: Work[Any, Any] = pickle.loads(zlib.decompress(Shelf(folder).kept(digest)))  # noqa: S301  by its hash
    return work


@lru_cache(_KEPT)
def _features(folder: Path, recipe: Recipe) -> Features:
    """The network by its hash, from a copy that nobody else writes to."""
    path = _own() / f"{recipe.digest}.onnx"
    path.write_bytes(Shelf(folder).kept(recipe.digest))
    return Features.by(recipe, path, Shelf(folder), threads=1)


@cache
def _own() -> Path:
    return Path(tempfile.mkdtemp(prefix="andon-network-"))
