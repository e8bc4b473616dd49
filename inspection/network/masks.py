"""Where a model must not look: one mask for a camera and a kind of part, drawn by a person as a black-and-white PNG.

Black is not looked at. What a mask hides is filled with the mean of what it leaves, so hidden pixels cannot change
anything that is computed from the picture. A camera that gets another resolution keeps its mask, scaled, until a person
draws it again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection import clock, files, git, lock
from inspection.anchor import writing
from inspection.cameras import Camera
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.pictures import images
from inspection.record import Record, read_json

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
INDEX = "masks.json"
_MEGAPIXELS = 100


class Entry(Record):
    """A mask as the index names it: where it holds, the SHA-256 of its PNG, who set it, when and why."""

    camera: str
    part: str
    sha256: str
    by: str
    at: datetime
    reason: str


class Index(Record):
    """masks/masks.json."""

    masks: tuple[Entry, ...]


@dataclass(frozen=True)
class Mask:
    """`look` is true where the model may look, (H, W)."""

    digest: str
    look: NDArray[np.bool_]

    def applied(self, levels: Levels, place: tuple[str, str]) -> Levels:
        """The picture with what is hidden filled by the mean of the rest.

        Raises:
            FixInput: scaled to the picture's size, the mask leaves nothing to look at.
        """
        look = self.look if levels.shape[:2] == self.look.shape else _scaled(self.look, levels.shape)
        if not look.any():
            raise FixInput(
                f"the mask of {' / '.join(place)} was drawn for {_size(self.look)} pixels and leaves nothing of a "
                f"picture of {_size(levels)}; draw it again (andon mask set)"
            )
        filled = levels.copy()
        filled[~look] = levels[look].mean(axis=0, dtype=np.float64)
        return filled


@dataclass(frozen=True)
class Masks:
    """All masks, by camera and kind of part."""

    by_place: Mapping[tuple[str, str], Mask]

    def name(self, camera: str, part: str) -> str:
        """Of the mask there, for the names of features; "": there is none."""
        mask = self.by_place.get((camera, part))
        return mask.digest[:12] if mask else ""

    def applied(self, levels: Levels, camera: str, part: str) -> Levels:
        """The picture as the model may see it."""
        mask = self.by_place.get((camera, part))
        return mask.applied(levels, (camera, part)) if mask else levels

    def levels_of(self, home: Path, max_megapixels: float, row: Any) -> Levels:
        """`images.levels_of` of a table's row, as the model may see it."""
        return self.applied(images.levels_of(home, max_megapixels, row), row.camera, row.part)

    def packed(self) -> dict[str, NDArray[np.uint8]]:
        """For a package: `camera/part` -> 1 where one may look, (H, W)."""
        return {"/".join(place): mask.look.astype(np.uint8) for place, mask in self.by_place.items()}

    def digests(self) -> dict[str, str]:
        """`camera/part` -> SHA-256 of the PNG that was drawn."""
        return {"/".join(place): mask.digest for place, mask in sorted(self.by_place.items())}


NO_MASKS = Masks({})


def unpacked(packed: Mapping[str, NDArray[np.uint8]], digests: Mapping[str, str]) -> Masks:
    """The masks of a package. Raises KeyError when one of the two names another mask than the other."""
    places = {name: tuple(name.split("/", 1)) for name in {*packed, *digests}}
    return Masks({(camera, part): Mask(digests[name], packed[name] > 0) for name, (camera, part) in places.items()})


def read_masks(folder: Path) -> Masks:
    """The masks of a plant.

    Raises:
        FixSettings: the index is damaged, or a PNG is not the one it names.
    """
    return Masks({(one.camera, one.part): _read(folder, one) for one in read_index(folder).masks})


def read_index(folder: Path) -> Index:
    """Who set which mask. Raises FixSettings when it is damaged."""
    path = folder / INDEX
    return read_json(Index, path, FixSettings(f"{path} is no index of masks: restore it with git."))


def set_mask(layout: Layout, camera: Camera, part: str, content: bytes, by: str, reason: str) -> Entry:
    """Take a PNG as the mask of a camera and part, in the place of an earlier one, and commit it; the next model will
    not look there.

    Raises:
        FixInput: no black-and-white picture, of another size than the camera's, all black, no such part, or nobody
            stands behind it.
    """
    writing.require(layout)
    look = drawn(content)
    if part not in camera.parts:
        raise FixInput(f"{camera.name} sees no part {part!r}; it sees {', '.join(camera.parts)}.")
    if camera.min_width or camera.min_height:
        raise FixInput(f"{camera.name} crops its pictures to different sizes, so a mask has no place on them.")
    if look.shape != (camera.height, camera.width):
        size = f"{camera.width}x{camera.height}"
        raise FixInput(
            f"The mask is {_size(look)} pixels, pictures of {camera.name} are {size}: draw it on one of them."
        )
    digest = hashlib.sha256(content).hexdigest()
    if not by.strip():
        raise FixInput("A mask needs a person who sets it: add --by NAME.")
    entry = Entry(camera=camera.name, part=part, sha256=digest, by=by, at=clock.now(), reason=reason)
    with lock.hold(layout, lock.WRITE, f"setting a mask for {part} on {camera.name}"):
        png = files.write(layout.masks / f"{digest[:24]}.png", content)
        index = _write(layout.masks, [*_others(layout.masks, camera.name, part), entry])
        git.commit(layout.home, [png, index], f"Mask for {part} on {camera.name}, set by {by}: {reason}")
    return entry


def clear_mask(layout: Layout, camera: str, part: str, by: str) -> None:
    """Let the next model look everywhere again. Raises FixInput when there is no such mask."""
    writing.require(layout)
    with lock.hold(layout, lock.WRITE, f"clearing the mask for {part} on {camera}"):
        others = _others(layout.masks, camera, part)
        known = len(others) < len(read_index(layout.masks).masks)
        index = _write(layout.masks, others) if known else layout.masks / INDEX
        cleared = git.commit(layout.home, [index], f"Mask for {part} on {camera} cleared by {by}")
        if not known and cleared is None:  # else one that was killed had taken it away
            raise FixInput(f"There is no mask for {part} on {camera}: see `andon mask list`.")


def drawn(content: bytes) -> NDArray[np.bool_]:
    """Where a mask's PNG lets one look, (H, W).

    Raises:
        FixInput: no picture, grey tones or colours in it, or nothing to look at.
    """
    pixels = images.decode(content, _MEGAPIXELS).pixels
    bright = np.unique(pixels)
    full = np.iinfo(pixels.dtype).max
    if not set(bright.tolist()) <= {0, full} or (pixels != pixels[:, :, :1]).any():
        raise FixInput("A mask is black where the model must not look and white elsewhere, without grey or colour.")
    look: NDArray[np.bool_] = pixels[:, :, 0] == full
    if not look.any():
        raise FixInput("The mask is black everywhere: the model would have nothing to look at.")
    return look


def _read(folder: Path, entry: Entry) -> Mask:
    path = folder / f"{entry.sha256[:24]}.png"
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise FixSettings(f"{path} is not the mask that {entry.by} set for {entry.camera}: restore it with git.")
    return Mask(entry.sha256, drawn(content))


def _others(folder: Path, camera: str, part: str) -> list[Entry]:
    return [one for one in read_index(folder).masks if (one.camera, one.part) != (camera, part)]


def _write(folder: Path, entries: Iterable[Entry]) -> Path:
    ordered = tuple(sorted(entries, key=lambda one: (one.camera, one.part)))
    return files.write(folder / INDEX, Index(masks=ordered).model_dump_json(indent=2) + "\n")


def _scaled(look: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The nearest pixel of a mask for each of a picture of another size."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape, look.shape, strict=False))
    return look[np.ix_(rows, columns)]


def _size(pixels: NDArray[np.generic]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
