"""Small cameras, so that a day is drawn in milliseconds."""

import pytest

from inspection.cameras import Camera


@pytest.fixture
def grey() -> Camera:
    return Camera(
        name="cam-1",
        line="A",
        width=64,
        height=64,
        mode="L",
        parts=("bracket", "housing"),
        time_zone="Europe/Berlin",
    )


@pytest.fixture
def colour() -> Camera:
    return Camera(name="cam-2", line="A", width=80, height=60, mode="RGB", parts=("panel", "mesh"))


@pytest.fixture
def deep() -> Camera:
    """16 bit, so that a measurement is not a measurement of rounding."""
    return Camera(name="cam-9", line="B", width=128, height=128, mode="L", bit_depth=16, parts=("panel",))
