"""A window of one camera's images against its healthy reference: what changed physically, and by how much.

Causes are explained away in a fixed order, because each later one would mistake an earlier one for itself:
framing -> lighting -> blur -> isolated pixels -> dust -> whatever is left.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.params import Least
from monitoring.camera.blur import BLURRED_PX2, Smear, as_now, edge_smear, gaussian_smear, spectra_of, tell_blur
from monitoring.camera.dust import find_dust_and_rest
from monitoring.camera.framing import EDGE_PX, fitted_framing, slope, warped, without_rim
from monitoring.camera.healthy import Healthy
from monitoring.camera.light import faint, kept_in_the_dark, lighting_of_looks, no_light, noise_of_looks, plane_of_light
from monitoring.camera.measurement import UNITS, Map, Measurement, Result
from monitoring.camera.pixels import find_pixels
from monitoring.camera.window import Block, Look, Seen, Window, median_map

_RARE = 0.1  # share of the pictures below which a kind of part says nothing of blur
MIN_DIFFERENT = 8  # different images below which pixels are not judged
_RESAMPLED_PX2 = 0.08  # variance that moving a picture by parts of a pixel may add or take
_MOVED_PX = 0.3  # smaller framing is not taken out: it would add noise


def measure(window: Window, reference: Healthy, least: Least) -> Measurement:
    """How the window differs from the reference, cause by cause."""
    return measure_seen(window.seen(), reference, least)


def measure_seen(seen: Seen, reference: Healthy, least: Least) -> Measurement:
    """As `measure`, of a window that is finished."""
    result = Result()
    _all_causes(seen, reference, least, result)
    return Measurement(
        camera=seen.camera,
        first=seen.first,
        last=seen.last,
        images=seen.images,
        parts=seen.parts,
        values={name: float(result.values[name]) for name in UNITS if name in result.values},
        spots=result.spots,
        details={name: float(value) for name, value in result.details.items()},
        notes=tuple(result.notes),
    )


def _all_causes(seen: Seen, reference: Healthy, least: Least, result: Result) -> None:
    """The order in which causes are explained away."""
    if not _comparable(seen, reference, result):
        return
    result.values["frozen"] = float(seen.repeats)
    known = {part: looks for part, looks in seen.looks.items() if part in reference.parts}
    if sum(map(len, known.values())) < MIN_DIFFERENT:
        words = f"Only {sum(map(len, known.values()))} different pictures of known parts"
        result.notes.append(f"{words}: nothing but repeated pictures was looked for.")
        return
    if no_light(known, reference, result):
        return
    lighting_of_looks(known, reference, result)
    spectra = [spectra_of(looks, reference.parts[part]) for part, looks in _often_seen(known).items()]
    rows = [row for row in spectra if row is not None]
    smear = gaussian_smear(rows) if rows else None
    if reference.height is None or not seen.fixed:
        result.notes.append(
            "The camera's pictures change in size, so pixels have no fixed place: only brightness, colour, "
            "clipping and blur are measured; framing, uneven light, pixels and dust are not."
        )
    else:
        smear = _fixed_places(seen, reference, least, smear, result)
    if faint(result):
        return
    noise_of_looks(known, reference, result)
    if smear is None:
        result.notes.append("Blur was not measured: the pictures hold too little fine structure.")
    else:
        tell_blur(smear, rows, result)


def _often_seen(looks: Mapping[str, Sequence[Look]]) -> Mapping[str, Sequence[Look]]:
    """The kinds of parts that are a tenth of the pictures or more; a bad piece of a rare one would pass for motion."""
    total = sum(map(len, looks.values()))
    return {part: some for part, some in looks.items() if len(some) >= _RARE * total} or looks


def _comparable(seen: Seen, reference: Healthy, result: Result) -> bool:
    unknown = {part: count for part, count in seen.parts.items() if part not in reference.parts}
    for part, count in unknown.items():
        result.notes.append(f"{count} images of part '{part}' that the reference does not know were left out.")
    if len(unknown) == len(seen.parts):
        return False
    if reference.height is not None and seen.fixed:
        now, then = seen.shape[:3], (reference.height, reference.width, reference.channels)
        if now != then:
            result.notes.append(
                f"The pictures are {_size(now)}; the reference was made of {_size(then)}. "
                "Set the camera back, or make a new reference."
            )
            return False
    channels = {look.channels.size for looks in seen.looks.values() for look in looks}
    if channels != {reference.channels}:
        result.notes.append("The pictures changed between grey and colour. Set the camera back.")
        return False
    return True


def _size(shape: Sequence[int | None]) -> str:
    return f"{shape[1]}x{shape[0]} px {'grey' if shape[2] == 1 else 'colour'}"


def _fixed_places(seen: Seen, reference: Healthy, least: Least, smear: Smear | None, result: Result) -> Smear | None:
    """What needs pixels with a fixed place: framing, uneven light, pixels, dust, the rest; the blur seen there too."""
    known = {part for part, healthy in reference.parts.items() if healthy.map is not None}  # of rare ones there is none
    blocks = [block for block in seen.blocks if block.part in known]
    result.details["blocks"] = float(len(blocks))
    expected = {block.part: _part_map(reference, block.part) for block in blocks}
    if len(blocks) < 3 or min(seen.shape[:2]) < 16:
        result.notes.append("Too few or too small pictures to tell places from parts.")
        return smear
    ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
    found = fitted_framing(mixed, mixed * np.exp(median_map(ratios)), least, result)
    moved = max(abs(found.down), abs(found.right)) > _MOVED_PX or abs(found.turn) * max(mixed.shape) / 2 > _MOVED_PX
    if moved:
        expected = {part: warped(healthy, found) for part, healthy in expected.items()}
        ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
    middle = median_map(ratios)
    light = plane_of_light(middle, mixed, result)
    on_edges = edge_smear(mixed, mixed * np.exp(middle) / light)
    if smear is not None and on_edges is not None:
        smear = smear.with_(on_edges)
    smear = smear or on_edges
    added = np.zeros((2, 2)) if smear is None else smear.without_chance().matrix()
    if np.abs(added).max() > BLURRED_PX2:
        expected = {part: as_now(healthy, added) for part, healthy in expected.items()}
        ratios, mixed = _ratios(blocks, expected), _mixed(blocks, expected)
        middle = median_map(ratios)
        light = plane_of_light(middle, mixed, result)
    kept_in_the_dark(reference, result)
    now = mixed * np.exp(middle)
    bad = find_pixels(now, mixed * light, (seen.spread, reference.spread), sum(b.images for b in blocks), result)
    if faint(result):
        result.notes.append("The light has changed so much that framing, blur, dust and small changes cannot be told.")
        for name in ("shift", "rotation"):
            result.values.pop(name, None)
        return None
    ratios -= np.log(light)
    if bad.any():
        for ratio in ratios:
            np.copyto(ratio, cv2.medianBlur(ratio, 3), where=bad)
    edge = np.float32(EDGE_PX) * slope(np.log(mixed + 1))
    pictures = sum(block.images for block in blocks) / sum(reference.parts[part].images for part in expected)
    find_dust_and_rest(ratios, without_rim(edge, found) if moved else edge, float(np.sqrt(1 + pictures)), result)
    if moved and smear is not None:
        smear = smear.less(_RESAMPLED_PX2)
    return smear


def _part_map(reference: Healthy, part: str) -> Map:
    healthy = reference.parts[part].map
    assert healthy is not None
    return healthy


def _ratios(blocks: Sequence[Block], expected: Mapping[str, Map]) -> NDArray[np.float32]:
    """(blocks, H, W): log of each block's mean over what its part looks like."""
    healthy = {part: np.log(level + np.float32(1)) for part, level in expected.items()}
    return np.stack([np.log(block.mean.astype(np.float32) + np.float32(1)) - healthy[block.part] for block in blocks])


def _mixed(blocks: Sequence[Block], expected: Mapping[str, Map]) -> Map:
    """The healthy parts in the window's own proportions: (H, W) levels."""
    total = sum(block.images for block in blocks)
    share = Counter[str]()
    for block in blocks:
        share[block.part] += block.images
    return np.asarray(sum(level * np.float32(share[part] / total) for part, level in expected.items()), np.float32)
