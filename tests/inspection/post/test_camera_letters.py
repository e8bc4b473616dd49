from dataclasses import replace

from inspection.post.camera_letters import of_outdated, of_reference, of_renewal
from inspection.records.commissions import Commission, Outdated, Renewal
from tests.inspection.post.reading import HOUR, NOON, ZONE, good

RENEWAL = Renewal("cam-1", 1, "new lamp", "Ines", NOON, NOON, 800)


def test_a_planned_change_in_words() -> None:
    letter = of_renewal(RENEWAL, "A", ZONE)
    text = good(letter)
    assert letter.tone == "info"
    assert "Until 800 of them fit together, Andon cannot tell a fault of this camera." in text
    assert "new lamp" in text and "by Ines" in text
    held_up = of_renewal(replace(RENEWAL, refused=("first", "they differ in blur")), "A", ZONE)
    assert held_up.tone == "warn" and held_up.reasons == ("they differ in blur",)
    assert "do not fit together" in good(held_up)


def test_a_new_reference_in_words() -> None:
    made = Commission("cam-1", "v2", "d" * 64, NOON - 30 * HOUR, NOON, 800, 20, "Ines", NOON, "new lamp")
    text = good(of_reference(made, "A", ZONE))
    assert "watched again after the planned change" in text and "reference v2" in text
    assert "800 pictures, taken between Sun 01 Nov 2026, 07:00 and Mon 02 Nov 2026, 13:00" in text
    assert "new lamp" in text and "Ines" in text


def test_a_reference_that_could_not_be_made_again_in_words() -> None:
    kept = Outdated("cam-1", "v1", 2, "3 of its 800 pictures are not on this disk.", False, NOON)
    letter = of_outdated(kept, "A", ZONE)
    text = good(letter)
    assert letter.tone == "warn" and "judged as before, against reference v1" in text
    assert "dvc pull" in text and "andon reference accept cam-1" in text and kept.why in text
    assert "dvc pull" not in good(of_outdated(replace(kept, final=True), "A", ZONE))
