"""Each fault does what its size says, where it says, and nothing outside its time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from inspection.cameras import Camera
from inspection.errors import FixSettings
from plant.chance import generator
from plant.faults import KINDS, PLACES, Fault, apply, spots
from plant.optics import capture, margin, optics
from plant.texture import Field, bump, grain

SEED = 5
SINCE = datetime(2026, 11, 2, 9, tzinfo=UTC)
LATER = SINCE + timedelta(hours=3)


def part(camera: Camera, number: int = 0) -> Field:
    """A part with a plain grey texture."""
    rim, channels = 2 * margin(camera), len(camera.mode)
    field = 0.5 + 0.05 * grain(generator("part", number), camera.height + rim, camera.width + rim, 1.5)
    return np.repeat(field[..., None], channels, axis=2).astype(np.float32)


def fault(kind: str, size: float, camera: Camera, **more: object) -> Fault:
    return Fault(kind, size, camera.name, SINCE, **more)  # type: ignore[arg-type]


def shot(camera: Camera, *faults: Fault, at: datetime = LATER, number: int = 0) -> np.ndarray:
    return capture(SEED, camera, part(camera, number), at, faults).astype(np.float64)


def ratio(camera: Camera, one: Fault, at: datetime = LATER, number: int = 0) -> np.ndarray:
    """Light with the fault over light without, where the part is seen (the dark reading taken off)."""
    dark = optics(SEED, camera).dark * (2**camera.bit_depth - 1)
    dark = dark[..., 0] if camera.mode == "L" else dark
    faulty, sound = shot(camera, one, at=at, number=number), shot(camera, at=at, number=number)
    return np.asarray((faulty - dark) / (sound - dark))


def alone(image: np.ndarray, one: Fault) -> np.ndarray:
    """The fault by itself on `image` (H, W), without camera and noise."""
    stack = image[..., None].astype(np.float32)
    return np.asarray(apply(stack, KINDS[one.kind].place, [one], SEED, one.camera, LATER)[..., 0])


def centroid(image: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(image.shape)
    return np.asarray([np.vdot(rows, image), np.vdot(columns, image)] / image.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_acts_in_its_time_on_its_camera_and_gives_the_same_bytes(kind: str, colour: Camera) -> None:
    one = fault(kind, KINDS[kind].usual, colour, until=SINCE + timedelta(hours=6))
    other = Fault(kind, KINDS[kind].usual, "another", SINCE)
    for outside in (SINCE - timedelta(seconds=1), SINCE + timedelta(hours=6)):
        assert np.array_equal(shot(colour, one, at=outside), shot(colour, at=outside))
    assert np.array_equal(shot(colour, other), shot(colour))
    assert not np.array_equal(shot(colour, one), shot(colour))
    assert np.array_equal(shot(colour, one), shot(colour, one))


@given(st.floats(-5, 5), st.floats(0, 30), st.integers(-10, 60))
def test_a_ramp_grows_linearly_to_its_size(size: float, ramp: float, days: int) -> None:
    reached = Fault("lamp", size, "c", SINCE, ramp_days=ramp).size_at(SINCE + timedelta(days=days))
    expected = 0 if days < 0 else size if days >= ramp else size * days / ramp
    assert reached == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [-0.30, -0.05, 0.10])
def test_lamp_is_the_gain_of_the_light(size: float, deep: Camera) -> None:
    assert np.median(ratio(deep, fault("lamp", size, deep))) == pytest.approx(1 + size, abs=0.003)


def test_colour_tips_red_against_blue(colour: Camera) -> None:
    red, green, blue = np.median(ratio(colour, fault("colour", 0.10, colour)), axis=(0, 1))
    assert (red, green, blue) == pytest.approx((1.10, 1.0, 0.90), abs=0.01)


def test_gradient_is_one_sided(deep: Camera) -> None:
    columns = np.median(ratio(deep, fault("gradient", -0.2, deep, direction_degrees=0.0)), axis=0)
    assert columns[1:4].mean() == pytest.approx(1.0, abs=0.02) and columns[-4:-1].mean() == pytest.approx(0.8, abs=0.02)
    assert np.polyfit(np.arange(columns.size), columns, 1)[0] * columns.size == pytest.approx(-0.2, abs=0.02)


def test_exposure_lifts_the_dark_and_clips(deep: Camera) -> None:
    night = fault("lamp", -1.0, deep)
    assert shot(deep, night, fault("exposure", 1.0, deep)).mean() == pytest.approx(
        2 * shot(deep, night).mean(), rel=0.05
    )
    assert (shot(deep) == 65535).mean() == 0 and (shot(deep, fault("exposure", 1.5, deep)) == 65535).mean() > 0.2
    assert np.median(ratio(deep, fault("exposure", 0.1, deep))) == pytest.approx(1.1, abs=0.01)


@pytest.mark.parametrize("count", [1, 4])
def test_dust_has_count_depth_diameter_and_stays(count: int, deep: Camera) -> None:
    one = fault("dust", count, deep, depth=0.3, diameter_px=8.0)
    looks = [ratio(deep, one, LATER + timedelta(days=i), number=i) for i in range(25)]  # parts change, dust stays
    shade = 1 - ndimage.gaussian_filter(np.median(looks, axis=0), 0.5)
    blobs, found = ndimage.label(shade > 0.15)
    assert found == count
    peaks = ndimage.maximum(shade, blobs, range(1, found + 1))
    assert peaks == pytest.approx([0.3] * count, abs=0.03)
    assert np.sqrt((blobs > 0).sum() / count * 4 / np.pi) == pytest.approx(8.0, abs=1.0)


@pytest.mark.parametrize(("kind", "value"), [("dead", 0), ("stuck", 191)])
def test_dead_and_stuck_pixels_hold_one_value_at_one_place(kind: str, value: int, grey: Camera) -> None:
    one = fault(kind, 3, grey)
    stack = [shot(grey, one, at=LATER + timedelta(days=i), number=i) for i in range(8)]
    constant = np.ptp(stack, axis=0) == 0
    assert constant.sum() == 3 and set(stack[0][constant]) == {value}


def test_hot_pixels_read_too_much(grey: Camera) -> None:
    excess = shot(grey, fault("hot", 5, grey)) - shot(grey)
    assert (excess > 0).sum() == 5 and excess[excess > 0] == pytest.approx([40] * 5, abs=1)


@given(st.integers(0, 40), st.integers(0, 40))
def test_more_spots_keep_the_first_ones(few: int, more: int) -> None:
    small, large = (spots(generator("s"), n, 40, 60) for n in sorted((few, more)))
    assert np.array_equal(small, large[: len(small)]) and len({tuple(p) for p in large}) == len(large)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_defocus_is_a_gaussian_of_that_sigma(sigma: float, deep: Camera) -> None:
    point = np.zeros((41, 41))
    point[20, 20] = 1
    spread = alone(point, fault("defocus", sigma, deep))
    rows, columns = np.indices(point.shape) - 20
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    for offset in (rows, columns):
        assert np.sqrt((spread * offset**2).sum()) == pytest.approx(sigma, rel=0.02)


def test_defocus_takes_the_high_band_and_leaves_the_low(deep: Camera) -> None:
    def band(picture: np.ndarray, fine: float, coarse: float) -> float:
        inner = slice(20, -20)
        blurs = [ndimage.gaussian_filter(picture, sigma)[inner, inner] for sigma in (fine, coarse)]
        return float(np.std(blurs[0] - blurs[1]))

    sharp, soft = shot(deep), shot(deep, fault("defocus", 1.5, deep))
    assert band(soft, 0.5, 1.0) < 0.7 * band(sharp, 0.5, 1.0)
    assert band(soft, 8, 16) == pytest.approx(band(sharp, 8, 16), rel=0.05)


def test_motion_smears_along_its_direction_only(deep: Camera) -> None:
    point = np.zeros((41, 41))
    point[20, 20] = 1
    smeared = alone(point, fault("motion", 6.0, deep, direction_degrees=0.0))
    rows, columns = np.indices(point.shape) - 20
    assert smeared.sum() == pytest.approx(1, abs=1e-4) and (smeared * rows**2).sum() == pytest.approx(0, abs=1e-4)
    assert np.sqrt(12 * (smeared * columns**2).sum()) == pytest.approx(6.0, rel=0.15)  # a bar's length


def test_shift_moves_the_whole_scene(deep: Camera) -> None:
    fine = [
        p - ndimage.gaussian_filter(p, 4)
        for p in (shot(deep), shot(deep, fault("shift", 3.0, deep, direction_degrees=90.0)))
    ]
    before, after = (np.fft.fft2(picture) for picture in fine)
    match = np.fft.ifft2(after * np.conj(before)).real
    assert np.argmax(match) == 3 * match.shape[1]  # 3 rows down, no column


@pytest.mark.parametrize("size", [0.5, 1.0, 4.3])
def test_shift_is_right_below_a_pixel(size: float, deep: Camera) -> None:
    dot = bump(64, 64, 30, 30, 3)
    moved = centroid(alone(dot, fault("shift", size, deep))) - centroid(dot)
    assert np.hypot(*moved) == pytest.approx(size, abs=0.03)


def test_rotation_turns_clockwise_about_the_centre(deep: Camera) -> None:
    dot = bump(128, 128, 104, 64, 3)
    turned = centroid(alone(dot, fault("rotation", 5.0, deep))) - 64
    assert np.rad2deg(np.arctan2(turned[0], turned[1])) == pytest.approx(5.0, abs=0.3)  # rows grow downwards
    assert np.hypot(*turned) == pytest.approx(40, abs=0.5)


def test_oil_covers_its_share_and_takes_its_depth(deep: Camera) -> None:
    plain = np.full((128, 128), 0.5)
    lost = 1 - alone(plain, fault("oil_film", 0.4, deep, depth=0.3)) / plain
    assert (lost > 0.15).mean() == pytest.approx(0.4, abs=0.06) and np.median(lost[lost > 0.2]) == pytest.approx(
        0.3, abs=0.05
    )


@pytest.mark.parametrize("length", [20.0, 60.0])
def test_fibre_has_its_length(length: float, deep: Camera) -> None:
    lost = 1 - alone(np.full((128, 128), 0.5), fault("fibre", length, deep)) / 0.5
    assert lost.sum() / (1.6 * KINDS["fibre"].depth) == pytest.approx(length, rel=0.35)  # area / width


def test_each_scratch_on_the_glass_adds_scattered_light(deep: Camera) -> None:
    dark_edge = np.tile(np.linspace(0.1, 0.9, 128), (128, 1))
    changed = [
        (np.abs(alone(dark_edge, fault("scratched_glass", n, deep)) - dark_edge) > 0.01).sum() for n in (1, 3, 6)
    ]
    assert 0 < changed[0] < changed[1] < changed[2]


@pytest.mark.parametrize("size", [0.2, 0.8])
def test_condensation_takes_its_share_of_contrast_where_thickest(size: float, deep: Camera) -> None:
    texture = 0.5 + 0.1 * grain(generator("t"), 128, 128, 1.0)

    def contrast(image: np.ndarray) -> np.ndarray:
        fine = image - ndimage.gaussian_filter(image, 3)
        return np.asarray(np.sqrt(ndimage.gaussian_filter(fine**2, 6)))

    kept = contrast(alone(texture, fault("condensation", size, deep))) / contrast(texture)
    assert np.percentile(kept, 5) == pytest.approx(1 - size, abs=0.05)
    assert np.percentile(kept, 99) > 1 - 0.8 * size


def test_flicker_comes_and_goes_within_its_amplitude(deep: Camera) -> None:
    one = fault("flicker", 0.2, deep)
    means = [np.median(ratio(deep, one, LATER + timedelta(seconds=i)), axis=1)[20:108] for i in range(30)]
    assert np.abs(np.array(means) - 1).max() == pytest.approx(0.2, abs=0.02)
    assert np.std([m.mean() for m in means]) > 0.005


def test_faults_act_in_the_order_of_physics_whatever_order_they_come_in(grey: Camera) -> None:
    dead, lamp, blur = fault("dead", 4, grey), fault("lamp", -0.1, grey), fault("defocus", 2, grey)
    one, other = shot(grey, dead, lamp, blur), shot(grey, blur, lamp, dead)
    assert np.array_equal(one, other) and (one == 0).sum() == 4  # sharp in spite of the blur
    assert {kind.place for kind in KINDS.values()} == set(PLACES)


def test_refusals_name_the_remedy(grey: Camera) -> None:
    with pytest.raises(FixSettings, match="did you mean 'dust'"):
        Fault("dusty", 1, "cam-1", SINCE)
    with pytest.raises(FixSettings, match="time zone"):
        Fault("dust", 1, "cam-1", datetime(2026, 1, 1))
    with pytest.raises(FixSettings, match="no colour"):
        shot(grey, fault("colour", 0.1, grey))
