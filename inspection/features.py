"""The store of what a frozen backbone said about an image: computed once, kept, bounded in size.

Lost entries are computed again, so the store is never an authority and is in neither git nor DVC.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import diskcache
import numpy as np
from numpy.typing import NDArray

from inspection import backbone, graph
from inspection.layout import Layout
from inspection.params import Params, View

if TYPE_CHECKING:
    from inspection.graph import Stretch

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255


@dataclass(frozen=True)
class Feature:
    """What the frozen part says: the activation (C, H, W) float16 before the tuned blocks, from which training
    goes on, and for the plain view the embedding (D,) float32 of the untuned network."""

    activation: NDArray[np.float16]
    embedding: NDArray[np.float32] | None = None


class _BytesOnly(diskcache.Disk):  # type: ignore[misc]
    """Refuses to unpickle whatever stands in the store's files."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            return None
        return super().fetch(mode, filename, value, read)


class Features:
    """The store for one backbone, precision and runtime; a feature is named by picture (`shown`) and view."""

    def __init__(self, layout: Layout, settings: Params) -> None:
        self._frozen = backbone.frozen(settings.backbone, layout)
        self.precision = graph.best_precision(settings.features.precision)
        self._tag = f"{self._frozen.digest}/{self.precision}/{graph.version()}"
        self._cache = diskcache.Cache(
            str(layout.state / "features"),
            disk=_BytesOnly,
            size_limit=int(settings.features.max_gigabytes * 1e9),
            eviction_policy="least-recently-used",
        )
        self._stretches: tuple[graph.Preparation, Stretch, Stretch] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the frozen graph that these features come from."""
        return self._frozen.digest

    def key(self, image: str, view: View) -> str:
        return f"{image}/{view}/{self._tag}"

    def has(self, image: str, view: View) -> bool:
        """Whether the feature is there and whole."""
        return self.get(image, view) is not None

    def get(self, image: str, view: View) -> Feature | None:
        """The stored feature, or None; a damaged entry is dropped."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        key = self.key(image, view)
        content = self._cache.get(key)
        if content is None:
            return None
        try:
            return Feature(**load(content))
        except (SafetensorError, TypeError, ValueError):
            self._cache.delete(key)
            return None

    def put(self, image: str, view: View, feature: Feature) -> None:
        from safetensors.numpy import save

        arrays = {"activation": feature.activation, "embedding": feature.embedding}
        content = save({name: array for name, array in arrays.items() if array is not None})
        self._cache.set(self.key(image, view), content)

    def add(
        self,
        images: Iterable[tuple[str, Sequence[View], Callable[[], Levels]]],
        done: Callable[[int], None] | None = None,
    ) -> int:
        """Compute and keep what is missing; the number of features that were.

        Args:
            images: name (`shown`), the views wanted, and a function that gives the levels. It is called only
                when a view is missing, once.
            done: called with the number of views behind us after each image.
        """
        computed = 0
        for group in _fours(self._missing(images, done)):
            plain = any(view == "identity" for _, view, _ in group)
            for (image, view, _), feature in zip(group, self.compute([one[2] for one in group], plain), strict=True):
                self.put(image, view, feature if view == "identity" else Feature(feature.activation))
                computed += 1
        return computed

    def compute(self, images: Sequence[Levels], embed: bool = True) -> list[Feature]:
        """The features of images of any sizes, from the network; `embed` asks for the embedding too."""
        prepare, frozen, finish = self._compiled()
        activations = frozen(prepare(images))[0]
        embeddings: Any = finish(activations)[0] if embed else [None] * len(images)
        return [Feature(a.astype(np.float16), e) for a, e in zip(activations, embeddings, strict=True)]

    def _compiled(self) -> "tuple[graph.Preparation, Stretch, Stretch]":
        if self._stretches is None:
            source = graph.Graph(self._frozen.path)
            self._stretches = (
                graph.Preparation(source),
                source.stretch("pixels", ["activation"], self.precision, graph.BATCH),
                source.stretch("activation", ["embedding"], self.precision, graph.BATCH),
            )
        return self._stretches

    def close(self) -> None:
        self._cache.close()

    def _missing(
        self,
        images: Iterable[tuple[str, Sequence[View], Callable[[], Levels]]],
        done: Callable[[int], None] | None,
    ) -> Iterator[tuple[str, View, Levels]]:
        for image, views, load in images:
            missing = [view for view in views if not self.has(image, view)]
            if missing:
                levels = load()
                yield from ((image, view, turn(levels, view)) for view in missing)
            if done:
                done(len(views))


def shown(image_id: str, black: int, white: int) -> str:
    """The name of a picture in the store: the same bytes under another mapping of intensities look different."""
    return f"{image_id}/{black}-{white}"


def turn(levels: Levels, view: View) -> Levels:
    """A view of an image: mirrored left-right (flip_x), upside down (flip_y), or both."""
    if view in ("flip_x", "turn_180"):
        levels = levels[:, ::-1]
    if view in ("flip_y", "turn_180"):
        levels = levels[::-1]
    return levels


def _fours(items: Iterable[tuple[str, View, Levels]]) -> Iterator[list[tuple[str, View, Levels]]]:
    group: list[tuple[str, View, Levels]] = []
    for item in items:
        group.append(item)
        if len(group) == graph.BATCH:
            yield group
            group = []
    if group:
        yield group
