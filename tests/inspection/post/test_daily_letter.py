from dataclasses import replace
from datetime import date

import pytest

from inspection.post.daily_letter import CameraDay, of_digest
from tests.inspection.post.reading import good

DAY = date(2026, 11, 2)
WELL = CameraDay("cam-1", 72, 3, 9, "well", "healthy")
DARK = CameraDay("cam-2", 69, 3, 12, "troubled", "light has changed", ("light has changed (I-0004)",))
LEARNING = CameraDay("cam-3", 40, 0, None, "unknown", "is being learned")
MODEL = "v1.0.0 judged 141 pictures: 120 accepted, 21 rejected."


@pytest.mark.parametrize(
    ("cameras", "waits", "tone", "subject"),
    [
        ((WELL,), (), "good", "all is well"),
        ((WELL, DARK), (), "warn", "1 camera (cam-2) to look at"),
        ((WELL,), ("Decide on model v1.1.0.",), "warn", "1 thing for you to do"),
        ((DARK, DARK), ("a", "b"), "warn", "2 cameras (cam-2, cam-2) to look at, 2 things for you to do"),
        ((WELL, LEARNING), (), "info", "1 camera (cam-3) not judged"),
        ((LEARNING, DARK), (), "warn", "1 camera (cam-2) to look at"),
        ((replace(WELL, incidents=("dust (I-0001)",)),), (), "warn", "1 camera (cam-1) to look at"),
    ],
)
def test_a_day_is_well_only_when_every_camera_was_judged_and_nothing_waits(
    cameras: tuple[CameraDay, ...], waits: tuple[str, ...], tone: str, subject: str
) -> None:
    letter = of_digest(DAY, cameras, waits, MODEL)
    text = good(letter)
    assert (letter.tone, letter.subject) == (tone, f"[Andon] Mon 02 Nov 2026: {subject}")
    assert letter.headline == f"Monday 02 November 2026: {subject}"
    assert MODEL in text and letter.todo == waits
    assert ("All is well" in text) == (tone == "good")


def test_a_day_has_a_row_for_each_camera() -> None:
    letter = of_digest(DAY, (WELL, DARK, LEARNING), (), MODEL)
    assert letter.table is not None and letter.table.rows == (
        ("cam-1", "72", "3", "9", "healthy"),
        ("cam-2", "69", "3", "12", "light has changed; open: light has changed (I-0004)"),
        ("cam-3", "40", "0", "–", "is being learned"),
    )
    assert "3 cameras delivered 181 pictures." in letter.summary
