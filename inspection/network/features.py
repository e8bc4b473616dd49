"""The store of what a frozen backbone said about an image: computed once, kept, bounded in size.

Lost entries are computed again, so the store is never an authority and is in neither git nor DVC.
"""

import hashlib
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diskcache
import numpy as np
from numpy.typing import NDArray

from inspection.errors import FixSettings, MakeRoom
from inspection.layout import Layout
from inspection.network import graph
from inspection.network.frozen import behind, frozen_graph
from inspection.network.shelf import OwnAndShelf, Shelf, Store
from inspection.network.views import PLAIN, Levels, View, tiles, viewed
from inspection.params import Params

if TYPE_CHECKING:
    from inspection.network.graph import Stretch
    from inspection.network.masks import Masks

    _Runs = tuple[graph.Preparation, Stretch | None, Stretch | None]


SEAL = b"andon-1 "  # as no safetensors file begins: there the first eight bytes are a small number


class _BytesOnly(diskcache.Disk):  # type: ignore[misc]
    """Refuses to unpickle whatever stands in the store's files."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            return None
        return super().fetch(mode, filename, value, read)


Wanted = tuple[str, Sequence[View], Callable[[], Levels]]  # name (`shown`), views, what gives the levels


@dataclass(frozen=True)
class Recipe:
    """What features are computed by: the SHA-256 of the network's graph, its blocks and how many of them are frozen,
    tiles a side, precision."""

    digest: str
    blocks: int
    frozen_blocks: int
    grid: int
    precision: graph.Precision


class Features:
    """The store for one backbone, precision and runtime, cut behind `frozen_blocks` blocks.

    For a picture (named by `shown`) and a view it holds the activation (C, H, W) float16 from which training goes on,
    of a picture looked at in tiles (tiles, C, H, W); for the plain view also the embedding (D,) float32 of the untuned
    network, computed with this cut: in bf16 numbers are rounded there.
    """

    def __init__(self, layout: Layout, settings: Params, frozen_blocks: int) -> None:
        frozen = frozen_graph(settings.backbone, layout)
        if not 0 <= frozen_blocks <= frozen.blocks:
            raise FixSettings(
                f"{settings.backbone.name} has {frozen.blocks} blocks, so {frozen_blocks} of them cannot stay "
                "frozen: run `dvc repro plan`."
            )
        precision = graph.best_precision(settings.features.precision)
        recipe = Recipe(frozen.digest, frozen.blocks, frozen_blocks, settings.backbone.grid, precision)
        own = _opened(layout.state / "features", settings.features.max_gigabytes)
        shelf = layout.home / settings.scale.shared
        shared = bool(settings.scale.dask) or shelf.is_dir()
        self._begin(recipe, frozen.path, OwnAndShelf(own, Shelf(shelf)) if shared else own)

    @classmethod
    def by(cls, recipe: Recipe, network: Path, store: Store, threads: int) -> "Features":
        """Those of a computer without a plant: from the graph in a file, in a store of another kind."""
        features = cls.__new__(cls)
        features._begin(recipe, network, store, threads)
        return features

    def _begin(self, recipe: Recipe, network: Path, store: Store, threads: int | None = None) -> None:
        self.recipe, self.network = recipe, network
        self.frozen_blocks, self.grid, self.precision = recipe.frozen_blocks, recipe.grid, recipe.precision
        self._tag = f"{recipe.digest}/{recipe.precision}/{graph.version()}/grid {recipe.grid}"
        self._cache, self._threads = store, threads
        self._runs: _Runs | None = None

    @property
    def blocks(self) -> int:
        """How many blocks the network has."""
        return self.recipe.blocks

    @property
    def digest(self) -> str:
        """SHA-256 of the network's graph that these features come from."""
        return self.recipe.digest

    def key(self, image: str, view: View) -> str:
        """Under which the activation of a picture's view is kept."""
        return f"{image}/{view}/{behind(self.frozen_blocks)}/{self._tag}"

    def has(self, image: str, view: View) -> bool:
        """Whether all that is kept of this view is there and whole."""
        if view == PLAIN and self.embedding(image) is None:
            return False
        return self.frozen_blocks == 0 or self.activation(image, view) is not None

    def activation(self, image: str, view: View) -> NDArray[np.float16] | None:
        """(C, H, W), or None; a damaged entry is dropped."""
        return self._get(self.key(image, view), np.float16)

    def embedding(self, image: str) -> NDArray[np.float32] | None:
        """(D,) of the plain view, or None; a damaged entry is dropped."""
        return self._get(self._embedding_key(image, self.frozen_blocks), np.float32)

    def any_embedding(self, image: str) -> NDArray[np.float32] | None:
        """As `embedding`; where it lacks, that of another cut, which in bf16 differs by some thousandths of the largest
        value: near enough to look at, not to train from."""
        others = (cut for cut in reversed(range(self.blocks + 1)) if cut != self.frozen_blocks)
        found = (self._get(self._embedding_key(image, cut), np.float32) for cut in (self.frozen_blocks, *others))
        return next((one for one in found if one is not None), None)

    def put(
        self, image: str, view: View, activation: NDArray[np.float16], embedding: NDArray[np.float32] | None = None
    ) -> None:
        """Keep a view's activation, and the picture's embedding. Where nothing is frozen the activation is the picture
        itself, which is not kept twice."""
        if self.frozen_blocks:
            self._set(self.key(image, view), activation)
        if embedding is not None:
            self._set(self._embedding_key(image, self.frozen_blocks), embedding)

    def add(
        self,
        images: Iterable[Wanted],
        done: Callable[[int], None] | None = None,
    ) -> int:
        """Compute and keep what is missing; the number of views that were.

        Args:
            images: name (`shown`), the views wanted, and a function that gives the levels. It is called only
                when a view is missing, once.
            done: called with the number of views behind us after each image.
        """
        computed = 0
        for (_, views, _), more in self.adding(images):
            computed += more
            if done:
                done(len(views))
        return computed

    def adding(self, images: Iterable[Wanted]) -> Iterator[tuple[Wanted, int]]:
        """As `add`, and each image when it was looked at, with the number of views that were computed since the one
        before; those of the last group with the last image."""
        before: Wanted | None = None
        computed, group = 0, list[tuple[str, View, Levels]]()
        for wanted in images:
            if before is not None:
                yield before, computed
                computed = 0
            before = wanted
            for one in self._missing(wanted):
                group.append(one)
                if len(group) == graph.BATCH:
                    computed += self._keep(group)
                    group = []
        if before is not None:
            yield before, computed + self._keep(group)

    def _keep(self, group: Sequence[tuple[str, View, Levels]]) -> int:
        if not group:
            return 0
        plain = any(view == PLAIN for _, view, _ in group)
        activations, embeddings = self.compute([levels for _, _, levels in group], plain)
        for (image, view, _), activation, embedding in zip(group, activations, embeddings, strict=True):
            self.put(image, view, activation, embedding if view == PLAIN else None)
        return len(group)

    def compute(
        self, images: Sequence[Levels], embed: bool = True
    ) -> tuple[NDArray[np.float16], NDArray[np.float32] | list[None]]:
        """From the network: activations (N, C, H, W) of images of any sizes and, if asked for, embeddings (N, D)."""
        prepare, frozen, finish = self._compiled()
        pixels = prepare([tile for image in images for tile in tiles(image, self.grid)])
        activations = frozen(pixels)[0] if frozen else pixels
        kept = self._by_picture(activations.astype(np.float16))
        if not embed:
            return kept, [None] * len(images)
        return kept, self._mean(finish(activations)[0] if finish else activations)

    def _by_picture(self, activations: NDArray[np.float16]) -> NDArray[np.float16]:
        """(N * tiles, ...) as (N, tiles, ...); a picture in one piece has no axis of tiles."""
        return activations.reshape(-1, self.grid**2, *activations.shape[1:]) if self.grid > 1 else activations

    def _mean(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D), of the tiles' embeddings."""
        if self.grid == 1:
            return embeddings
        mean: NDArray[np.float32] = embeddings.reshape(-1, self.grid**2, embeddings.shape[1]).mean(axis=1)
        return mean

    def _compiled(self) -> "_Runs":
        if self._runs is None:
            source, cut = graph.Graph(self.network, self._threads), behind(self.frozen_blocks)
            end = behind(self.blocks)
            self._runs = (
                graph.Preparation(source),
                source.stretch("pixels", [cut], self.precision, graph.BATCH) if cut != "pixels" else None,
                source.stretch(cut, [end], self.precision, graph.BATCH) if cut != end else None,
            )
        return self._runs

    def close(self) -> None:
        self._cache.close()

    def _embedding_key(self, image: str, frozen_blocks: int) -> str:
        return f"{image}/embedding/{behind(frozen_blocks)}/{self._tag}"

    def _get(self, key: str, kind: type[Any]) -> NDArray[Any] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        content = self._cache.get(key)
        if content is None:
            return None
        try:
            (array,) = load(_unsealed(key, content)).values()
        except (SafetensorError, TypeError, ValueError):
            array = None
        if array is None or array.dtype != kind:
            self._cache.delete(key)
            return None
        return array

    def _set(self, key: str, array: NDArray[Any]) -> None:
        from safetensors.numpy import save

        self._cache.set(key, _sealed(key, save({"array": np.ascontiguousarray(array)})))

    def _missing(self, wanted: Wanted) -> Iterator[tuple[str, View, Levels]]:
        image, views, load = wanted
        missing = [view for view in views if not self.has(image, view)]
        if missing:
            levels = load()
            yield from ((image, view, viewed(levels, view)) for view in missing)


def _sealed(key: str, content: bytes) -> bytes:
    """With a hash of both in front, so that a damaged entry, or that of another picture, is not learned from."""
    return SEAL + hashlib.sha256(key.encode() + content).digest() + content


def _unsealed(key: str, content: bytes) -> bytes:
    """Raises ValueError when it is not what was kept under that key. Entries of earlier versions bear no seal."""
    if not content.startswith(SEAL):
        return content
    end = len(SEAL) + hashlib.sha256().digest_size
    if _sealed(key, content[end:]) != content:
        raise ValueError(key)
    return content[end:]


def _opened(folder: Path, max_gigabytes: float) -> diskcache.Cache:
    """The store on the disk; one whose index is damaged is thrown away, for all that it holds can be computed again."""
    options = {"size_limit": int(max_gigabytes * 1e9), "eviction_policy": "least-recently-used"}
    try:
        return diskcache.Cache(str(folder), disk=_BytesOnly, **options)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # locked, or no room: the file itself may be well
            raise MakeRoom(
                f"The feature store in {folder} cannot be opened ({error}): check space and permissions there."
            ) from None
    words = f"The feature store in {folder} is damaged; it is thrown away, and features are computed again."
    print(words, file=sys.stderr)  # a command's own output may be JSON
    shutil.rmtree(folder, ignore_errors=True)
    return diskcache.Cache(str(folder), disk=_BytesOnly, **options)


def shown(image_id: str, black: int, white: int, mask: str = "") -> str:
    """The name of a picture in the store: the same bytes under another mapping of intensities, or another mask
    (`Masks.name`), look different."""
    return f"{image_id}/{black}-{white}" + (f"/{mask}" if mask else "")


def shown_of(row: Any, masks: "Masks") -> str:
    """`shown` of a table's row, which has `image_id`, `black`, `white`, `camera` and `part`."""
    return shown(row.image_id, row.black, row.white, masks.name(row.camera, row.part))
