"""Faults that a plant meets, on a drawn camera whose frame stands still: two windows name each, and nothing else."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from monitoring.camera.blur import edge_smear
from monitoring.camera.zones import Zones
from monitoring.content.learning import learn
from monitoring.judgement.climb import climbs
from monitoring.judgement.diagnosis import judge
from monitoring.judgement.reference import Reference
from tests.monitoring.camera.drawn import OTHER, PARAMS, RIM, SIDE, Picture, filled, learned
from tests.monitoring.judgement.test_diagnosis import embedded

HEALTH, WATCH = PARAMS.health, PARAMS.watch
DOWN, RIGHT = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def causes(reference: Reference, **change: Any) -> set[str]:
    """What two windows in a row say, a suspicion only if both do."""
    found: dict[str, list[bool]] = {}
    before = climbs([], reference.limits)
    for window in (40, 41):
        for one in judge(filled(window, **change), reference, HEALTH, WATCH, before).findings:
            found.setdefault(one.cause, []).append(one.sure)
    return {cause for cause, sure in found.items() if any(sure) or len(sure) > 1}


def speck(row: float, column: float, depth: float, width: float = 6.0) -> Callable[[Picture], Picture]:
    y, x = np.mgrid[:SIDE, :SIDE]
    return lambda light: light * (1 - depth * np.exp(-((2 * np.hypot(y - row, x - column) / width) ** 2)))


def at(level: float, rows: slice, columns: slice) -> Callable[[Picture, int], Picture]:
    def change(levels: Picture, number: int) -> Picture:
        levels = levels.copy()
        levels[rows, columns] = level
        return levels

    return change


def moved(zoom: float = 1.0, right: float = 0.0) -> Callable[[Picture], Picture]:
    move = cv2.getRotationMatrix2D((SIDE / 2 - 0.5, SIDE / 2 - 0.5), 0, zoom)
    move[0, 2] += right
    return lambda light: cv2.warpAffine(light, move, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def smeared(light: Picture) -> Picture:
    """Over 4 px along the rows."""
    return np.asarray(cv2.filter2D(light, -1, np.array([[0.5, 1, 1, 1, 0.5]]) / 4))


def sharpened(levels: Picture, number: int) -> Picture:
    return np.asarray(levels + 0.5 * (levels - cv2.GaussianBlur(levels, (0, 0), 1.0)))


def compressed(levels: Picture, number: int) -> Picture:
    packed = cv2.imencode(".jpg", np.clip(levels, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_UNCHANGED), float)


def of_bits(bits: int) -> Callable[[Picture, int], Picture]:
    step = 2 ** (8 - bits)
    return lambda levels, number: np.floor(np.clip(levels, 0, 255) / step) * step


def broken(share: int) -> Callable[[Picture, int], Picture]:
    """The lower half is grey in one of so many pictures."""
    return lambda levels, number: (
        at(128, slice(SIDE // 2, None), slice(None))(levels, 0) if not number % share else levels
    )


FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "lamp 5 %": ({"scene": lambda light: 0.95 * light}, {"lighting"}),
    "gradient 10 %": ({"scene": lambda light: light * (1 + 0.1 * RIGHT)}, {"lighting"}),
    "an LED bar fades": ({"scene": lambda light: light * (1 - 0.3 / (1 + np.exp(-8 * (RIGHT - 0.1))))}, {"lighting"}),
    "defocus 0.5 px": ({"scene": lambda light: cv2.GaussianBlur(light, (0, 0), 0.5)}, {"blur"}),
    "defocus 2 px": ({"scene": lambda light: cv2.GaussianBlur(light, (0, 0), 2)}, {"blur"}),
    "defocus 5 px": ({"scene": lambda light: cv2.GaussianBlur(light, (0, 0), 5)}, {"blur"}),
    "motion 4 px": ({"scene": smeared}, {"blur"}),
    "shift 1 px": ({"scene": moved(right=1.0)}, {"framing"}),
    "zoom 2 %": ({"scene": moved(zoom=1.02)}, {"framing"}),
    "mirrored": ({"scene": lambda light: light[:, ::-1]}, {"wrong_view"}),
    "turned by 90 degrees": ({"scene": np.rot90}, {"wrong_view"}),
    "soft speck of 10 % on a part": ({"scene": speck(50, 60, 0.1)}, {"dust"}),
    "soft speck of 15 % at a part's edge": ({"scene": speck(RIM, 50, 0.15)}, {"dust"}),
    "a speck of 16 px": ({"scene": speck(60, 50, 0.2, 16)}, {"dust"}),
    "dead column": ({"sensor": at(0, slice(None), slice(40, 41))}, {"dead_pixels"}),
    "dead cluster": ({"sensor": at(0, slice(50, 54), slice(60, 64))}, {"dead_pixels"}),
    "stuck cluster": ({"sensor": at(110, slice(50, 52), slice(60, 62))}, {"stuck_pixels"}),
    "noise x 1.5": ({"noise": 1.95}, {"noise"}),
    "sharpened": ({"sensor": sharpened}, {"processing"}),
    "JPEG": ({"sensor": compressed}, {"processing"}),
    "six bits": ({"sensor": of_bits(6)}, {"processing"}),
    "four bits": ({"sensor": of_bits(4)}, {"processing"}),
    "two bits": ({"sensor": of_bits(2)}, {"processing"}),
    "gamma 0.9": ({"sensor": lambda levels, number: 255 * np.clip(levels / 255, 0, 1) ** 0.9}, {"processing"}),
    "half of each picture": ({"sensor": broken(1)}, {"transfer"}),
    "half of each tenth picture": ({"sensor": broken(10)}, {"transfer"}),
    "parts are brighter": ({"part": lambda look: 1.15 * look}, {"changed_surface"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_is_named_and_nothing_else(name: str, reference: Reference) -> None:
    change, expected = FAULTS[name]
    assert causes(reference, **change) == expected


def test_specks_before_the_parts_are_dust_though_the_parts_look_other(reference: Reference) -> None:
    """Embeddings see them too."""
    knowing = reference.with_content(learn([embedded(seed, 40) for seed in range(24)]), HEALTH)

    def dusty(light: Picture) -> Picture:
        for row, column in ((40, 40), (50, 70), (75, 55)):
            light = speck(row, column, 0.4, 8)(light)
        return light

    verdict = judge(filled(40, scene=dusty), knowing, HEALTH, WATCH, shown=embedded(50, 40, shift=0.5))
    assert "dust" in {one.cause for one in verdict.findings}


def test_parts_that_shine_more_do_so_unevenly(reference: Reference) -> None:
    """A fifth brighter, but for a place that is so by a seventh: it is theirs. A deeper one lies before them."""

    def shining(look: Picture) -> Picture:
        return np.asarray(speck(look.shape[0] / 2, look.shape[1] / 2, 0.06, 16)(1.2 * look))

    assert causes(reference, part=shining) == {"changed_surface"}
    assert causes(reference, part=shining, scene=speck(40, 44, 0.3)) == {"changed_surface", "dust"}


def test_other_parts_are_no_fault_of_the_camera(reference: Reference) -> None:
    assert not causes(reference, part=lambda look: OTHER) - {"changed_surface"}


def test_the_frame_stands_still_and_the_parts_do_not(reference: Reference) -> None:
    zones = reference.zones
    assert zones is not None and zones.split
    inner = (slice(RIM + 4, -RIM - 4),) * 2
    assert not zones.still[inner].any()
    assert zones.still.sum() > 0.6 * (SIDE**2 - (SIDE - 2 * RIM) ** 2)


def test_a_mark_on_a_frame_of_four_pixels_tells_a_blur() -> None:
    """As on a camera whose parts nearly fill the view; parts are bright and blurred into the frame."""
    still, frame = np.ones((SIDE, SIDE), np.bool_), np.full((SIDE, SIDE), 30.0)
    still[4:-4, 4:-4] = False
    frame[6:-6, 6:-6] = 130.0
    frame[1:4, 1:4] = frame[-4:-1, -4:-1] = 110.0
    sharp = cv2.GaussianBlur(frame, (0, 0), 0.7)
    seen = cv2.GaussianBlur(sharp, (0, 0), 0.5) + 0.2 * np.random.default_rng(2).standard_normal(sharp.shape)
    found = edge_smear(sharp.astype(np.float32), seen.astype(np.float32), Zones(still, True), 0.2)
    assert found is not None and found.certain
    assert found.free[0] == pytest.approx(0.25, abs=0.08)


def test_what_is_told_of_places_names_them(reference: Reference) -> None:
    (found,) = judge(filled(40, sensor=at(0, slice(None), slice(40, 41))), reference, HEALTH, WATCH).findings
    assert found.words == f"{SIDE} pixels are dead: column 40 over {SIDE} px."
    (found,) = judge(filled(40, scene=speck(50, 60, 0.2)), reference, HEALTH, WATCH).findings
    (spot,) = found.spots
    assert (spot.row, spot.column) == (pytest.approx(50, abs=1), pytest.approx(60, abs=1))
    assert spot.depth == pytest.approx(0.2, rel=0.15) and spot.size == pytest.approx(6, abs=1.5)


def hair(light: Picture) -> Picture:
    """A bent dark line across the view."""
    line = np.zeros((SIDE, SIDE))
    bends = np.array([[30, 20], [45, 50], [60, 60], [85, 95]], np.int32)
    cv2.polylines(line, [bends], False, 1.0, 1, cv2.LINE_AA)
    return np.asarray(light * (1 - 0.3 * cv2.GaussianBlur(line, (0, 0), 0.6)))


def tilted(light: Picture) -> Picture:
    """Sharp at the left, 1.5 px out of focus at the right."""
    return np.asarray(light + (RIGHT + 0.5) * (cv2.GaussianBlur(light, (0, 0), 1.5) - light))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (hair, "A hair or a scratch darkens a line of 93 px (row 55, column 53)."),
        (lambda light: speck(40, 80, 0.3)(hair(light)), "and 1 speck of dust (row 40, column 80)."),
        (tilted, "Most of it is at the right: the lens or the camera is tilted."),
        (lambda light: np.rot90(tilted(np.rot90(light, -1))), "Most of it is at the top: the lens"),
        (lambda light: 0.85 * light + 15, ", or a film or haze lies on the glass."),
    ],
)
def test_where_a_fault_lies_and_what_it_may_be(
    change: Callable[[Picture], Picture], words: str, reference: Reference
) -> None:
    (found,) = judge(filled(40, scene=change), reference, HEALTH, WATCH).findings
    assert words in found.words


@pytest.mark.parametrize("size", [0.6, 1.2])
def test_an_even_blur_is_no_tilt(size: float, reference: Reference) -> None:
    soft = filled(40, scene=lambda light: cv2.GaussianBlur(light, (0, 0), size))
    (found,) = judge(soft, reference, HEALTH, WATCH).findings
    assert "tilted" not in found.words


@pytest.mark.parametrize("place", [(-1, 50), (50, -1), (SIDE, 50), (50, SIDE)])
def test_a_speck_whose_middle_lies_beyond_the_rim_is_told_at_the_rim(
    place: tuple[int, int], reference: Reference
) -> None:
    (found,) = judge(filled(40, scene=speck(*place, 0.4, 12)), reference, HEALTH, WATCH).findings
    assert found.cause == "dust" and all(0 <= axis < SIDE for spot in found.spots for axis in (spot.row, spot.column))


def test_dust_all_over_the_lens_is_dust_and_no_surface(reference: Reference) -> None:
    places = np.random.default_rng(1).uniform(8, SIDE - 8, (20, 2))

    def dusty(light: Picture) -> Picture:
        for row, column in places:
            light = speck(row, column, 0.3)(light)
        return light

    assert causes(reference, scene=dusty) == {"dust"}


def hole(look: Picture) -> Picture:
    """The part with a dark bore that it did not have."""
    look = look.copy()
    cv2.circle(look, (60, 50), 4, 60, -1, cv2.LINE_AA)
    return look


def test_a_bore_that_some_of_the_parts_have_is_no_speck(reference: Reference) -> None:
    """Dust darkens every picture alike, whatever passes."""
    rng = np.random.default_rng(3)
    assert causes(reference, part=lambda look: hole(look) if rng.random() < 0.35 else look) == set()


def test_what_a_new_part_brings_about_by_itself_does_not_silence_it(reference: Reference) -> None:
    """Its bore looks like a speck: both are named."""
    knowing = reference.with_content(learn([embedded(seed, 40) for seed in range(24)]), HEALTH)
    window = filled(40, part=hole)
    assert {one.cause for one in judge(window, knowing, HEALTH, WATCH).findings} == {"dust"}
    found = {
        one.cause: one for one in judge(window, knowing, HEALTH, WATCH, shown=embedded(50, 40, shift=0.5)).findings
    }
    assert set(found) == {"changed_surface", "dust"}
    assert "dark places on the parts themselves look the same" in found["dust"].words
    darker = filled(40, part=hole, scene=lambda light: 0.8 * light)
    named = {one.cause for one in judge(darker, knowing, HEALTH, WATCH, shown=embedded(50, 40, shift=0.5)).findings}
    assert "lighting" in named and "changed_surface" not in named, "a fault of the camera does"
