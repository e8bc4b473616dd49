"""The healthy camera with its limits, and how that is kept on the disk."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from inspection.errors import CheckHistory, FetchData
from inspection.outside import documents
from inspection.params import Health
from monitoring.camera.daylight import Daylight
from monitoring.camera.healthy import Healthy, PartReference, Scatter
from monitoring.camera.measurement import Measurement
from monitoring.content import drift
from monitoring.content.healthy import Content
from monitoring.judgement.calibration import limits_of
from monitoring.judgement.limit import Limit

MAPS, FACTS = "maps.safetensors", "reference.json"
METHOD = 3  # what a reference of this version knows; one of an earlier method is made anew of the same pictures
_SCATTER = ("pixel", "specks", "blocks")


@dataclass(frozen=True)
class Reference(Healthy):
    """A camera's healthy state with the limits that its clean windows give.

    `content` is what its pictures show; None: their features were not at hand. `method`: METHOD when it was made.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    content: Content | None = None
    method: int = METHOD

    @property
    def provisional(self) -> bool:
        """Whether too few clean windows showed how far a statistic goes in health; one that the camera never has, such
        as colour in grey pictures, does not count."""
        return any(limit.provisional and limit.windows for limit in self.limits.values())

    def with_content(self, content: Content | None, health: Health) -> "Reference":
        """With what its pictures show, and the limits of that."""
        if content is None:
            return self
        return replace(self, content=content, limits=self.limits | limits_of(content.clean, drift.UNITS, health))


def save(reference: Reference, folder: Path) -> str:
    """Write the reference into `folder`; the SHA-256 over both files. The same reference gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    maps = {f"map/{name}": part.map for name, part in reference.parts.items() if part.map is not None}
    if reference.spread is not None:
        maps["spread"] = reference.spread
    if reference.scatter is not None:
        maps |= {f"scatter/{name}": getattr(reference.scatter, name) for name in _SCATTER}
    maps |= {f"grid/{name}": part.grid for name, part in reference.parts.items() if part.grid is not None}
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
        plain = dict(documents.json_of(facts))
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
            "blocky": part.blocky,
            "step": part.step,
        }
        for name, part in reference.parts.items()
    }
    return {
        "camera": reference.camera,
        "version": reference.version,
        "height": reference.height,
        "width": reference.width,
        "channels": reference.channels,
        "method": reference.method,
        "torn": reference.torn,
        "grain": reference.grain,
        "scatter_images": reference.scatter.images if reference.scatter else 0,
        "daylight": asdict(reference.daylight),
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
            unsteady=facts.get("unsteady", 0.0),  # references of earlier methods know nothing of these
            grid=maps.get(f"grid/{name}"),
            blocky=facts.get("blocky", 0.0),
            step=facts.get("step", 0.0),
        )
        for name, facts in plain["parts"].items()
    }
    content = plain.get("content")
    later = {"method": 1, "torn": 0.0, "grain": 0.0, "daylight": {}, "scatter_images": 0}  # what earlier methods lack
    facts = {**later, **plain}
    images, daylight = facts.pop("scatter_images"), {key: _tuple(value) for key, value in facts["daylight"].items()}
    fixed = {
        **facts,
        "scatter": Scatter(**{name: maps[f"scatter/{name}"] for name in _SCATTER}, images=images) if images else None,
        "daylight": Daylight(**daylight),
        "content": Content.of(content, maps) if content else None,
        "parts": parts,
        "spread": maps.get("spread"),
        "clean": tuple(Measurement.from_json(one) for one in plain["clean"]),
        "limits": {name: Limit(**limit) for name, limit in plain["limits"].items()},
    }
    return Reference(**fixed)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FetchData(f"{path} is not on this disk: run `dvc pull`.") from None


def _digest(tensors: bytes, facts: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(tensors).digest() + hashlib.sha256(facts).digest()).hexdigest()
