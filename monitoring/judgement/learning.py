"""Images of the healthy camera -> its reference: what each part looks like, and how far clean windows lie apart."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from inspection.errors import FixInput, Unforeseen, attempt
from inspection.params import Health, Watch
from monitoring.camera.daylight import Daylight
from monitoring.camera.health import measure_seen
from monitoring.camera.healthy import PartReference
from monitoring.camera.light import unsteadiness
from monitoring.camera.measurement import UNITS, Map, Measurement
from monitoring.camera.noise import grain_of
from monitoring.camera.window import Look, Seen, Window, calm_spectrum, median_map
from monitoring.judgement.calibration import limits
from monitoring.judgement.reference import Reference
from monitoring.judgement.scatter import scatter_of

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
        daylight = Daylight.of(self._clean)
        clean = tuple(daylight.without(one, self.health.least) for one in self._clean)
        limited = limits(clean, self.health)
        return replace(self._made, version=version, clean=clean, daylight=daylight, limits=limited)

    def _close(self) -> None:
        seen, self._open = self._open.seen(), Window(self.camera)
        self._take(seen)

    def _take(self, seen: Seen) -> None:
        """One more clean window."""
        if self._made is not None:
            if seen.images >= self.watch.window_images / 2:
                self._clean.append(self._measured(seen, self._made))
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
        others = {id(seen): self._without(seen) if len(self._seen) > 1 else made for seen in whole}
        scatter = scatter_of(whole, [others[id(seen)] for seen in whole], self.health.least)
        self._clean = [self._measured(seen, replace(others[id(seen)], scatter=scatter)) for seen in whole]
        self._made, self._seen, self._sums = replace(made, scatter=scatter), [], []

    def _measured(self, seen: Seen, healthy: Reference) -> Measurement:
        """A clean window against the others; without values and with the reason where it cannot be measured."""
        measured = attempt(lambda: measure_seen(seen, healthy, self.health.least))
        if not isinstance(measured, Unforeseen):
            return measured
        words = f"This window could not be measured ({measured.words})."
        nothing = Measurement(seen.camera, seen.first, seen.last, seen.images, seen.parts)
        return replace(nothing, notes=(words,), failed=tuple(UNITS))

    def _without(self, left_out: Seen | None) -> Reference:
        """The reference of all windows but one."""
        kept = [index for index, seen in enumerate(self._seen) if seen is not left_out]
        seens, sums = [self._seen[index] for index in kept], [self._sums[index] for index in kept]
        shapes = {seen.shape for seen in seens}
        fixed = len(shapes) == 1 and all(seen.fixed for seen in seens)
        shape = next(iter(shapes))
        names = sorted({part for seen in seens for part in seen.looks})
        looks = [look for seen in seens for some in seen.looks.values() for look in some]
        plain = Reference(
            camera=self.camera,
            version="",
            parts={part: _part(part, seens, sums, fixed) for part in names},
            height=shape[0] if fixed else None,
            width=shape[1] if fixed else None,
            channels=shape[2],
            spread=_mean_spread(seens) if fixed else None,
            torn=float(np.mean([look.torn is not None for look in looks])),
        )
        return _with_zones(plain, seens)


def _with_zones(plain: Reference, seens: Sequence[Seen]) -> Reference:
    """With what is measured where the camera's pictures stand still."""
    zones = plain.zones
    looks = {part: [look for seen in seens for look in seen.looks.get(part, [])] for part in plain.parts}
    parts = {
        part: replace(healthy, unsteady=unsteadiness(looks[part], healthy, zones))
        for part, healthy in plain.parts.items()
    }
    grains = [grain for seen in seens if zones is not None and (grain := grain_of(seen.blocks, zones))]
    return replace(plain, parts=parts, grain=float(np.median(grains)) if grains else 0.0)


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
    grids = [look.grid for look in looks]
    alike = len({grid.shape for grid in grids}) == 1
    return PartReference(
        images=len(looks),
        map=mean,
        channels=np.asarray(np.median([look.channels for look in looks], axis=0)),
        clipped=float(np.mean([look.clipped for look in looks])),
        power=power,
        floor=floor,
        grid=np.mean(grids, axis=0, dtype=np.float32) if alike else None,
        blocky=float(np.median([look.blocky for look in looks])),
        step=float(np.median([look.step for look in looks])),
    )


def _mean_spread(seens: Iterable[Seen]) -> Map | None:
    spreads = [seen.spread for seen in seens if seen.spread is not None]
    return np.asarray(sum(spreads) / len(spreads), np.float32) if spreads else None
