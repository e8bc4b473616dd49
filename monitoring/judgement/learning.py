"""Images of the healthy camera -> its reference: what each part looks like, and how far clean windows lie apart."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from inspection.errors import FixInput
from inspection.params import Health, Watch
from monitoring.camera.health import measure_seen
from monitoring.camera.healthy import PartReference
from monitoring.camera.measurement import Map, Measurement
from monitoring.camera.window import Look, Seen, Window, calm_spectrum, median_map, unsteadiness
from monitoring.judgement.calibration import limits
from monitoring.judgement.reference import Reference

_HELD = 24  # windows that the maps are made of: kept, as float16, until each was measured against the others


class Learning:
    """Makes a reference of images added in time order; forms the clean windows itself.

    The first 24 windows make what is healthy; each is measured against the others. All later ones are measured against
    what the 24 made, so that memory does not grow.
    """

    def __init__(self, camera: str, health: Health, watch: Watch) -> None:
        self.camera, self.health, self.watch = camera, health, watch
        self.images = 0
        self._open = Window(camera)
        self._seen: list[Seen] = []
        self._sums: list[dict[str, tuple[int, Map]]] = []
        self._made: Reference | None = None
        self._clean: list[Measurement] = []

    def add(self, levels: NDArray[np.float32], part: str, at: datetime, image_id: str) -> None:
        """Take in one healthy image: (H, W, C) float32, 0..255."""
        if self._open.images >= self.watch.window_images:
            self._close()
        self._open.add(levels, part, at, image_id)
        self.images += 1

    def finish(self, version: str) -> Reference:
        """The reference, its clean windows measured each against the others.

        Raises:
            FixInput: too few images.
        """
        if self.images < self.watch.min_images:
            raise FixInput(
                f"{self.camera}: a reference needs at least {self.watch.min_images} images of the healthy camera; "
                f"there are {self.images}."
            )
        if self._open.images:
            self._close()
        if self._made is None:
            self._make()
        assert self._made is not None
        clean = tuple(self._clean)
        return replace(self._made, version=version, clean=clean, limits=limits(clean, self.health))

    def _close(self) -> None:
        seen = self._open.seen()
        self._open = Window(self.camera)
        if self._made is not None:
            if seen.images >= self.watch.window_images / 2:
                self._clean.append(measure_seen(seen, self._made, self.health.least))
            return
        self._sums.append(_part_medians(seen))
        blocks = tuple(block._replace(mean=block.mean.astype(np.float16)) for block in seen.blocks)
        self._seen.append(replace(seen, blocks=blocks))
        if len(self._seen) == _HELD:
            self._make()

    def _make(self) -> None:
        """The reference of the windows so far, which are let go after each was measured against the others."""
        made = self._without(None)
        whole = [seen for seen in self._seen if seen.images >= self.watch.window_images / 2] or self._seen
        self._clean = [
            measure_seen(seen, self._without(seen) if len(self._seen) > 1 else made, self.health.least)
            for seen in whole
        ]
        self._made, self._seen, self._sums = made, [], []

    def _without(self, left_out: Seen | None) -> Reference:
        """The reference of all windows but one."""
        kept = [index for index, seen in enumerate(self._seen) if seen is not left_out]
        seens, sums = [self._seen[index] for index in kept], [self._sums[index] for index in kept]
        shapes = {seen.shape for seen in seens}
        fixed = len(shapes) == 1 and all(seen.fixed for seen in seens)
        shape = next(iter(shapes))
        names = sorted({part for seen in seens for part in seen.looks})
        return Reference(
            camera=self.camera,
            version="",
            parts={part: _part(part, seens, sums, fixed) for part in names},
            height=shape[0] if fixed else None,
            width=shape[1] if fixed else None,
            channels=shape[2],
            spread=_mean_spread(seens) if fixed else None,
        )


def _part_medians(seen: Seen) -> dict[str, tuple[int, Map]]:
    """For each part its images and the median over its block means."""
    parts: dict[str, list[tuple[int, Map]]] = {}
    for block in seen.blocks:
        parts.setdefault(block.part, []).append((block.images, block.mean))
    return {part: (sum(n for n, _ in kept), median_map(np.stack([m for _, m in kept]))) for part, kept in parts.items()}


def _part(part: str, seens: Sequence[Seen], sums: Sequence[dict[str, tuple[int, Map]]], fixed: bool) -> PartReference:
    looks = [look for seen in seens for look in seen.looks.get(part, [])]
    maps = [kept[part] for kept in sums if part in kept] if fixed else []
    total = sum(count for count, _ in maps)
    mean = sum(level * np.float32(count / total) for count, level in maps) if maps else None
    return _of_looks(looks, None if mean is None else np.asarray(mean, np.float32))


def _of_looks(looks: Sequence[Look], mean: Map | None) -> PartReference:
    power, floor = calm_spectrum(looks)
    return PartReference(
        images=len(looks),
        map=mean,
        channels=np.asarray(np.median([look.channels for look in looks], axis=0)),
        clipped=float(np.mean([look.clipped for look in looks])),
        power=power,
        floor=floor,
        unsteady=unsteadiness(looks),
    )


def _mean_spread(seens: Iterable[Seen]) -> Map | None:
    spreads = [seen.spread for seen in seens if seen.spread is not None]
    return np.asarray(sum(spreads) / len(spreads), np.float32) if spreads else None
