"""The healthy camera: what each part looks like there, and how far clean windows lie apart."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from inspection.errors import CheckHistory, FetchData, FixInput
from inspection.params import Health, Watch
from monitoring.camera.health import measure_seen
from monitoring.camera.healthy import Healthy, PartReference
from monitoring.camera.measurement import Map, Measurement
from monitoring.camera.window import Look, Seen, Window, calm_spectrum, median_map, unsteadiness
from monitoring.content import drift
from monitoring.content.drift import Content
from monitoring.judgement.calibration import Limit, limits, limits_of

MAPS, FACTS = "maps.safetensors", "reference.json"

_HELD = 24  # windows that the maps are made of: kept, as float16, until each was measured against the others


@dataclass(frozen=True)
class Reference(Healthy):
    """A camera's healthy state with the limits that its clean windows give.

    `content` is what its pictures show; None: their features were not at hand.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    content: Content | None = None

    def with_content(self, content: Content | None, health: Health) -> "Reference":
        """With what its pictures show, and the limits of that."""
        if content is None:
            return self
        return replace(self, content=content, limits=self.limits | limits_of(content.clean, drift.UNITS, health))


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


def save(reference: Reference, folder: Path) -> str:
    """Write the reference into `folder`; the SHA-256 over both files. The same reference gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    maps = {f"map/{name}": part.map for name, part in reference.parts.items() if part.map is not None}
    if reference.spread is not None:
        maps["spread"] = reference.spread
    if reference.content is not None:
        maps |= reference.content.tensors()
    tensors = tensor_bytes({name: np.ascontiguousarray(level, np.float32) for name, level in sorted(maps.items())})
    facts = json.dumps(_facts(reference, tensors), indent=1, sort_keys=True, ensure_ascii=False).encode()
    (folder / MAPS).write_bytes(tensors)
    (folder / FACTS).write_bytes(facts + b"\n")
    return _digest(tensors, facts + b"\n")


def load(folder: Path, digest: str | None = None) -> Reference:
    """The reference in a folder.

    Raises:
        FetchData: it is not on this disk. CheckHistory: a file is damaged, or not what `digest` says.
    """
    tensors, facts = (_bytes(folder / name) for name in (MAPS, FACTS))
    if digest is not None and _digest(tensors, facts) != digest:
        raise CheckHistory(f"The camera reference in {folder} is not the one that was recorded: run `dvc checkout`.")
    try:
        plain = dict(json.loads(facts))
        expected = plain.pop("maps_sha256")
    except (ValueError, KeyError, TypeError):
        raise CheckHistory(f"{folder / FACTS} is damaged: run `dvc checkout`.") from None
    if hashlib.sha256(tensors).hexdigest() != expected:
        raise CheckHistory(f"{folder / MAPS} is damaged: run `dvc checkout`.")
    try:
        return _reference(plain, read_tensors(tensors))
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise CheckHistory(
            f"{folder / FACTS} is damaged (run `dvc checkout`), or an earlier version of Andon made it "
            "(make a new one: `andon reference accept`)."
        ) from None


def _facts(reference: Reference, tensors: bytes) -> dict[str, Any]:
    """Everything but the maps, as plain types."""
    parts = {
        name: {
            "images": part.images,
            "channels": part.channels.tolist(),
            "clipped": part.clipped,
            "power": part.power.tolist(),
            "floor": part.floor,
            "unsteady": part.unsteady,
        }
        for name, part in reference.parts.items()
    }
    return {
        "camera": reference.camera,
        "version": reference.version,
        "height": reference.height,
        "width": reference.width,
        "channels": reference.channels,
        "parts": parts,
        "clean": [measurement.as_json() for measurement in reference.clean],
        "limits": {name: asdict(limit) for name, limit in reference.limits.items()},
        "content": reference.content.facts() if reference.content else None,
        "maps_sha256": hashlib.sha256(tensors).hexdigest(),
    }


def _reference(plain: Mapping[str, Any], maps: Mapping[str, NDArray[Any]]) -> Reference:
    parts = {
        name: PartReference(
            images=facts["images"],
            map=maps.get(f"map/{name}"),
            channels=np.array(facts["channels"]),
            clipped=facts["clipped"],
            power=np.array(facts["power"]),
            floor=facts["floor"],
            unsteady=facts.get("unsteady", 0.0),  # references of earlier versions know nothing of it
        )
        for name, facts in plain["parts"].items()
    }
    content = plain.get("content")
    fixed = {
        **plain,
        "content": Content.of(content, maps) if content else None,
        "parts": parts,
        "spread": maps.get("spread"),
        "clean": tuple(Measurement.from_json(one) for one in plain["clean"]),
        "limits": {name: Limit(**limit) for name, limit in plain["limits"].items()},
    }
    return Reference(**fixed)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FetchData(f"{path} is not on this disk: run `dvc pull`.") from None


def _digest(tensors: bytes, facts: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(tensors).digest() + hashlib.sha256(facts).digest()).hexdigest()
