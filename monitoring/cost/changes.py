"""Measured changes, laid on images: how they would look."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
Finding = Mapping[str, Any]  # as the ledger has it: statistic, size, details, spots

_LEAST_BLUR, _LEAST_SMEAR = 0.3, 1.0  # px, below which the one of blur and motion that was not found is not there
_LEAST_NOISE = 0.3  # levels, that of rounding: less is not added
_RIPPLE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
CONTENT = ("mix", "defects")  # changes of what comes, not of how it looks


def laid_on(levels: Levels, findings: Sequence[Finding]) -> Levels | None:
    """An image as it would look with measured changes; None when one of them cannot be laid on.

    They act in the order of life: where the part lies, the lens, what is on the glass, light, the sensor. Sizes are in
    `measurement.UNITS`; `details` say which way, `spots` where.
    """
    if any(not can_be_laid_on(finding) for finding in findings):
        return None
    for act, statistics in _ACTS:
        for finding in findings:
            if finding["statistic"] in statistics:
                levels = act(levels, finding)
    return levels


def can_be_laid_on(finding: Finding) -> bool:
    """Whether there is a picture of the change, and enough is known of it."""
    statistic, details = finding["statistic"], finding.get("details", {})
    if statistic == "blur":
        return bool(finding["size"] > 0)
    if statistic == "shift":
        return "shift_down_px" in details and "shift_right_px" in details
    if statistic in ("dust", "dead", "hot", "stuck"):
        return bool(finding.get("spots"))
    return statistic in CONTENT or any(statistic in statistics for _, statistics in _ACTS)


def _sizes(finding: Finding) -> dict[str, float]:
    return {**finding.get("details", {}), finding["statistic"]: finding["size"]}


def _moved(levels: Levels, finding: Finding) -> Levels:
    """Turned clockwise about the centre and shifted; the border is repeated."""
    sizes, (height, width) = _sizes(finding), levels.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -sizes.get("rotation", 0.0), 1.0)
    turn[:, 2] += sizes.get("shift_right_px", 0.0), sizes.get("shift_down_px", 0.0)
    moved = cv2.warpAffine(levels, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(moved, 0, 255), np.float32).reshape(levels.shape)


def _smeared(levels: Levels, finding: Finding) -> Levels:
    """Out of focus and smeared; the sensor's noise comes behind the lens and stays."""
    sizes, found = _sizes(finding), finding["statistic"]
    sigma, length = sizes.get("blur", 0.0), sizes.get("motion", 0.0)
    soft, kept = levels, 1.0  # share of the noise's variance
    if sigma > (0 if found == "blur" else _LEAST_BLUR):
        soft = cv2.GaussianBlur(soft, (0, 0), sigma)
        kept /= max(1.0, 4 * np.pi * sigma**2)
    if length > (0 if found == "motion" else _LEAST_SMEAR):
        line = _line(length, sizes.get("motion_degrees", 0.0))
        soft = cv2.filter2D(soft, -1, line, borderType=cv2.BORDER_REPLICATE)
        kept *= float((line**2).sum())
    return _noisy(np.asarray(soft, np.float32).reshape(levels.shape), _noise(levels) * float(np.sqrt(1 - kept)))


def _noise(levels: Levels) -> float:
    """Standard deviation of the noise, levels, from the calmest tenth of the picture (J. Immerkaer, CVIU 1996)."""
    grey = levels.mean(axis=2) * np.float32(np.sqrt(levels.shape[2]))
    ripple = np.abs(cv2.filter2D(grey, -1, _RIPPLE)) * np.float32(np.sqrt(np.pi / 2) / 6)
    return float(np.quantile(cv2.blur(ripple, (17, 17)), 0.1))


def _noisy(levels: Levels, deviation: float) -> Levels:
    """`levels` with noise added; the same picture gets the same noise."""
    if deviation < _LEAST_NOISE:
        return levels
    rng = np.random.default_rng(int(levels.sum(dtype=np.float64)))
    noise = rng.standard_normal(levels.shape, np.float32) * np.float32(deviation)
    return np.asarray(np.clip(np.rint(levels + noise), 0, 255), np.float32)


def _line(length: float, degrees: float) -> Levels:
    """The kernel of a straight smear through the middle: every place on it shared out over its four pixels."""
    reach = int(np.ceil(length / 2)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.zeros(rows.shape, np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        down, right = step * np.sin(np.deg2rad(degrees)), step * np.cos(np.deg2rad(degrees))
        kernel += np.maximum(0, 1 - np.abs(rows - down)) * np.maximum(0, 1 - np.abs(columns - right))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _dusty(levels: Levels, finding: Finding) -> Levels:
    """Every speck takes its depth of the light in the middle and half of that at its rim."""
    through = np.ones(levels.shape[:2], np.float32)
    rows, columns = np.ogrid[: levels.shape[0], : levels.shape[1]]
    for spot in finding["spots"]:
        distance = np.hypot(rows - spot["row"], columns - spot["column"]) / max(spot["size"] / 2, 0.5)
        through *= 1 - np.float32(spot["depth"]) * np.exp2(-(np.minimum(distance, 4) ** 4)).astype(np.float32)
    return levels * through[:, :, None]


def _lit(levels: Levels, finding: Finding) -> Levels:
    sizes = _sizes(finding)
    light = (1 + sizes.get("gain", 0.0)) * _slope(levels.shape, sizes)
    if levels.shape[2] == 3:
        tint = np.array([1 + sizes.get("red", 0.0), 1, 1 + sizes.get("blue", 0.0)], np.float32)
        light = light * tint / tint.mean()  # the gain is that of all channels together
    dim = min(float(light.mean()), 1.0)  # less light has less shot noise, but by its root
    lit = np.asarray(np.clip(np.rint(levels * light), 0, 255), np.float32)
    return _noisy(lit, _noise(levels) * float(np.sqrt(max(dim - dim**2, 0.0))))


def _slope(shape: tuple[int, ...], sizes: Mapping[str, float]) -> Levels:
    """(H, W, 1): 1 in the middle, changing by the measured gradient from one side to the other."""
    size = sizes.get("gradient", 0.0)
    heading = np.deg2rad(sizes.get("gradient_degrees", 0.0))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    along = (rows / shape[0] - 0.5) * np.sin(heading) + (columns / shape[1] - 0.5) * np.cos(heading)
    along *= 2 / (abs(np.sin(heading)) + abs(np.cos(heading)))  # -1 at the bright corner, 1 at the dark one
    return np.asarray(1 + size / (2 + size) * along, np.float32)[..., None]


def _with_pixels(levels: Levels, finding: Finding) -> Levels:
    """Single pixels as far from their neighbours as they were measured to be."""
    levels = levels.copy()
    for spot in finding["spots"]:
        row, column = spot["row"], spot["column"]
        around = levels[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        if around.size:
            levels[row, column] = np.clip(np.median(around, axis=(0, 1)) + spot["depth"], 0, 255)
    return levels


_ACTS: tuple[tuple[Callable[[Levels, Finding], Levels], tuple[str, ...]], ...] = (
    (_moved, ("shift", "rotation")),
    (_smeared, ("blur", "motion")),
    (_dusty, ("dust",)),
    (_lit, ("gain", "gradient", "colour", "clipped")),
    (_with_pixels, ("dead", "hot", "stuck")),
)
