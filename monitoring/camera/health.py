"""A window of one camera's images against its healthy reference: what changed physically, and by how much.

Causes are explained away in a fixed order, because each later one would mistake an earlier one for itself:
transfer -> view -> framing -> lighting -> blur -> pixels -> dust -> whatever is left -> processing.
Camera and light are judged by what stands still; parts come and go before it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from inspection.params import Least
from monitoring.camera.blur import Smear, edge_smear, gaussian_smear, misfit, spectra_of, tell_blur, tell_tilt
from monitoring.camera.dust import Residual, find_dust_and_rest, residual
from monitoring.camera.framing import fitted_framing
from monitoring.camera.healthy import Healthy
from monitoring.camera.light import (
    bent_light,
    faint,
    kept_in_the_dark,
    lighting_of_looks,
    no_light,
    parts_against_still,
    plane_of_light,
    smooth_light,
)
from monitoring.camera.measurement import UNITS, Map, Measurement, Result
from monitoring.camera.noise import tell_noise
from monitoring.camera.pixels import Sight, excess_of, find_pixels
from monitoring.camera.processing import tell_blocks, tell_coarse, tell_processing
from monitoring.camera.scene import Scene
from monitoring.camera.transfer import tell_torn
from monitoring.camera.view import tell_view
from monitoring.camera.window import Look, Seen, Window, median_map
from monitoring.camera.zones import Zones

_RARE = 0.1  # share of the pictures below which a kind of part says nothing of blur
MIN_DIFFERENT = 8  # different images below which pixels are not judged
_RESAMPLED_PX2 = 0.25  # variance below which a blur may come of moving a picture by parts of a pixel
_SMEARED = 0.5  # px^2 of blur beyond which the curve of the levels is not told
_BETTER = 0.9  # of a misfit, from which another blur explains what stands still better
_SHINES = 0.15  # of a change of light, that may come of parts whose blur reaches what stands still
_UNEVEN = 0.02  # light from which more than its plane is taken out


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


class Places(NamedTuple):
    """What a window shows at each place, when framing, light and blur are taken out."""

    sight: Sight
    rest: Residual
    smear: Smear | None


def measure(window: Window, reference: Healthy, least: Least) -> Measurement:
    """How the window differs from the reference, cause by cause."""
    return measure_seen(window.seen(), reference, least)


def measure_seen(seen: Seen, reference: Healthy, least: Least) -> Measurement:
    """As `measure`, of a window that is finished."""
    result = Result()
    with _threads().limit(limits=1, user_api="blas"):  # matrices are small: more threads only wait for each other
        _all_causes(seen, reference, least, result)
    values = {name: result.values[name] for name in UNITS if name in result.values}
    seen_at_all = Measurement(seen.camera, seen.first, seen.last, seen.images, seen.parts, spots=result.spots)
    notes = list(dict.fromkeys(result.notes))
    return reference.daylight.without(seen_at_all.with_(values, result.details, notes), least)


def deviation(seen: Seen, reference: Healthy, least: Least) -> tuple[Map, Residual] | None:
    """How a healthy window's pixels stand out of their neighbours (levels), and what its light is that nothing
    explains; None: it has no fixed places."""
    result, zones = Result(), reference.zones
    if zones is None or not seen.fixed or _different(seen, reference) < MIN_DIFFERENT:
        return None
    with _threads().limit(limits=1, user_api="blas"):
        found = _places(seen, reference, zones, least, None, result)
    return (excess_of(found.sight.now, found.sight.expected[0]), found.rest) if found else None


def _all_causes(seen: Seen, reference: Healthy, least: Least, result: Result) -> None:
    """The order in which causes are explained away."""
    if not _comparable(seen, reference, result):
        return
    result.values["frozen"] = float(seen.repeats)
    zones = reference.zones if seen.fixed else None
    known = _judged(seen, reference, zones, least, result)
    if not known:
        return
    lighting_of_looks(known, reference, zones, result)
    tell_blocks(known, reference, result)
    spectra = [spectra_of(looks, reference.parts[part]) for part, looks in _often_seen(known).items()]
    rows = [row for row in spectra if row is not None]
    smear = gaussian_smear(rows) if rows else None
    if zones is None:
        result.notes.append(
            "The camera's pictures change in size, so pixels have no fixed place: only brightness, colour, "
            "clipping and blur are measured; framing, uneven light, pixels and dust are not."
        )
    else:
        found = _places(seen, reference, zones, least, smear, result)
        if found is not None:
            smear = found.smear
            if faint(result):
                _say_faint(result)
            else:
                _find(found, reference, zones, result)
    if faint(result) or result.details.get("other_view"):
        return
    tell_noise(known, seen.blocks, zones, reference, result)
    if smear is None:
        result.notes.append("Blur was not measured: the pictures hold too little fine structure.")
    else:
        tell_blur(smear, [] if zones is not None and zones.split and smear.certain else rows, result)
    tell_processing(least, result)


def _judged(
    seen: Seen, reference: Healthy, zones: Zones | None, least: Least, result: Result
) -> Mapping[str, list[Look]]:
    """The looks of known parts that can be compared: nothing else can be told of pictures that are repeated, coarse,
    torn or dark."""
    if (count := _different(seen, reference)) < MIN_DIFFERENT:
        words = f"Only {count} different pictures of known parts"
        result.notes.append(f"{words}: nothing but repeated pictures was looked for.")
        return {}
    if tell_coarse(seen.looks, reference, least, result):
        return {}
    known = tell_torn(seen.looks, reference, zones, result)
    if sum(map(len, known.values())) < MIN_DIFFERENT:
        result.notes.append("Too few whole pictures: nothing but their transfer was judged.")
        return {}
    return {} if no_light(known, reference, result) else known


def _different(seen: Seen, reference: Healthy) -> int:
    """How many different pictures it has of parts that the reference knows."""
    return sum(len(looks) for part, looks in seen.looks.items() if part in reference.parts)


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


def _places(
    seen: Seen, reference: Healthy, zones: Zones, least: Least, smear: Smear | None, result: Result
) -> Places | None:
    """What needs pixels with a fixed place, after framing, uneven light and blur were told and taken out; None: there
    are too few pictures, or they show something else."""
    known = {part: part_.map for part, part_ in reference.parts.items() if part_.map is not None}  # rare ones have none
    blocks = [block for block in seen.blocks if block.part in known]
    result.details["blocks"] = float(len(blocks))
    if len(blocks) < 3 or min(seen.shape[:2]) < 16:
        result.notes.append("Too few or too small pictures to tell places from parts.")
        return None
    scene = Scene(blocks, {block.part: known[block.part] for block in blocks})
    scene = scene.at(fitted_framing(scene.unmoved, scene.now, zones, least, result))
    if _another_view(scene, smear, zones, result):
        _say_other_view(result)
        return None
    noise = float(np.sqrt(reference.noise / scene.images))
    scene, light, blur = _sharp(scene, zones, noise, smear, result)
    if scene.soft:  # a blur moves edges a little: framing once more, against what is as soft
        scene = scene.at(fitted_framing(scene.unmoved, scene.now, zones, least, result))
        scene, light, blur = _sharp(scene, zones, noise, smear, result)
        tell_view(scene.mixed, scene.now, zones, result)
    kept_in_the_dark(reference, result)
    sight = _sight(scene, light, seen, reference)
    ratios = scene.ratios - np.log(light)
    bad = find_pixels(sight, result)
    result.details["hot_on_parts"] = float(zones.split and bad.any() and not (bad & zones.still).any())
    for ratio in ratios if bad.any() else ():
        _fill(ratio, bad)
    ratios -= parts_against_still(median_map(ratios), zones, reference, result)
    levels = [scene.expected[block.part] for block in blocks]
    rest = residual(ratios, levels, zones.still, scene.hidden, scene.images, scene.edges)
    return Places(sight, rest, blur.beyond(_RESAMPLED_PX2) if scene.moved and blur is not None else blur)


def _another_view(scene: Scene, smear: Smear | None, zones: Zones, result: Result) -> bool:
    """Whether the still scene is not known again, not even as blurred as the parts are."""
    if not tell_view(scene.mixed, scene.now, zones, result):
        return False
    if smear is None or not smear.known or result.details.get("view_way"):
        return True
    soft = scene.blurred(smear.without_chance().matrix())
    return tell_view(soft.mixed, soft.now, zones, result)


def _sharp(
    scene: Scene, zones: Zones, noise: float, smear: Smear | None, result: Result
) -> tuple[Scene, Map, Smear | None]:
    """The scene as blurred as the window, its light (H, W), and that blur, given `smear` of the parts and the noise of
    a mean pixel (levels)."""
    plane = plane_of_light(scene.middle, scene.mixed, zones, result)
    now = scene.now / _uneven(plane, scene, zones, result, None)
    blur = _blur_of(smear, scene, now, zones, noise)
    soft = scene.blurred(np.zeros((2, 2)) if blur is None else blur.without_chance().matrix())
    if soft.soft and zones.split:
        tell_tilt(scene.mixed, now, zones, noise, scene.rim, result)
    if soft.soft:
        softened = np.log((np.maximum(soft.mixed, 0) + 1) / (np.maximum(scene.mixed, 0) + 1))
        apart = zones.apart(round(2 * float(np.sqrt(max(0.0, soft.added.max())))) - 1)
        plane = plane_of_light(soft.middle, soft.mixed, apart or zones, result, softened)
        if apart is None:
            _hide_light(result)
        light = _uneven(plane, soft, zones, result, None)  # blurred parts shine into what stands still
    else:
        light = _uneven(plane, scene, zones, result, zones if zones.split else None)
    if soft.added.max() > _SMEARED:
        result.values.pop("tone", None)  # parts shine into what stands still beside them
    return soft, light, blur


def _hide_light(result: Result) -> None:
    """A blur mixes the light of the parts into all that stands still: only a large change of light can be told."""
    if max(abs(result.values.get(name, 0.0)) for name in ("gain", "gradient")) < _SHINES:
        result.notes.append("Small changes of light were not judged: in such a blur the parts shine into the frame.")
        for name in ("gain", "gradient", "flicker"):
            result.values.pop(name, None)


def _uneven(light: Map, scene: Scene, zones: Zones, result: Result, levels: Zones | None) -> Map:
    """The light with what its plane leaves of it; `levels` as `bent_light` has its zones."""
    if max(abs(result.values.get(name, 0.0)) for name in ("gain", "gradient")) <= _UNEVEN:
        return light
    for _ in range(2):  # what the first leaves of a sharp slope
        light = light * smooth_light(scene.middle - np.log(light), scene.mixed, zones)
    return light * bent_light(scene.middle - np.log(light), scene.mixed, levels)


def _sight(scene: Scene, light: Map, seen: Seen, reference: Healthy) -> Sight:
    where = (scene.mixed * light, scene.unmoved * light) if scene.moved else (scene.mixed * light,)
    scatter = reference.scatter.pixel if reference.scatter is not None else None
    return Sight(scene.now, where, seen.spread, reference.spread, scatter, reference.noise, scene.edges, scene.images)


def _say_other_view(result: Result) -> None:
    """In words, and without what cannot be told of it."""
    for name in set(result.values) - {"view", "torn", "frozen"}:
        del result.values[name]
    result.details["other_view"] = 1.0
    result.notes.append("The camera shows another view: nothing else can be told.")


def _say_faint(result: Result) -> None:
    """In words, and without what cannot be told in such light."""
    result.notes.append("The light has changed so much that framing, blur, dust and small changes cannot be told.")
    for name in ("shift", "rotation", "zoom", "tone", "reflection", "blocks"):
        result.values.pop(name, None)


def _find(found: Places, reference: Healthy, zones: Zones, result: Result) -> None:
    """Dust and the rest."""
    if reference.scatter is None:
        result.notes.append("Dust was not looked for: the reference does not know how much each place scatters.")
        return
    find_dust_and_rest(found.rest, reference.scatter, zones, result)


def _blur_of(of_parts: Smear | None, scene: Scene, now: Map, zones: Zones, noise: float) -> Smear | None:
    """What stands still decides where it is sharp enough; otherwise edges and spectra of the parts, by their
    certainty."""
    on_edges = edge_smear(scene.mixed, now, zones, noise, scene.rim)
    if zones.split and on_edges is not None and on_edges.certain:
        return _better(on_edges, of_parts, scene, now, zones)
    on_edges = edge_smear(scene.mixed, now, zones.all, noise, scene.rim) if zones.split else on_edges
    both = of_parts or on_edges
    if of_parts is not None and on_edges is not None:
        both = of_parts.with_(on_edges)
    return both if both is not None and both.known else None


def _better(on_edges: Smear, of_parts: Smear | None, scene: Scene, now: Map, zones: Zones) -> Smear:
    """The blur that explains what stands still better: a strong one leaves too little of its marks to be followed."""
    if of_parts is None or not of_parts.known:
        return on_edges
    mine, its = (misfit(one, scene.mixed, now, zones, scene.rim) for one in (on_edges, of_parts))
    return of_parts if its < _BETTER * mine else on_edges


def _fill(ratio: Map, bad: NDArray[np.bool_]) -> None:
    """What is around, in the place of wrong pixels."""
    good = np.where(bad, 0, 1).astype(np.float32)
    weight = cv2.GaussianBlur(good, (0, 0), 2.5)
    around = cv2.GaussianBlur(np.where(bad, 0, ratio).astype(np.float32), (0, 0), 2.5)
    np.copyto(ratio, around / np.maximum(weight, 1e-6), where=bad)
