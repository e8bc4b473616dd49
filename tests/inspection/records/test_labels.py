"""Which label stands, and which contradict each other."""

from typing import Any

import pandas as pd
import pytest

from inspection.cameras import Camera
from inspection.chain import Event
from inspection.records.labels import called_now, conflicts, learned_as, renamings, standing
from tests.conftest import DAY, SHARED

TILES = SHARED / "data" / "magnetic_tile" / "metadata.csv"


def events(*told: tuple[str, dict[str, Any]]) -> list[Event]:
    return [Event(n, "at", kind, "Tess", body, "") for n, (kind, body) in enumerate(told, start=1)]


def given(image: str, label: str, spec: str = "1") -> tuple[str, dict[str, Any]]:
    return "label", {"image_id": image, "label": label, "labelled_at": "then", "spec": spec}


def changed(*classes: str) -> tuple[str, dict[str, Any]]:
    return "spec", {"spec": "2", "classes": list(classes), "why": ""}


def test_the_last_label_of_an_image_stands_with_all_that_was_said() -> None:
    found = standing(events(given("i1", "good"), ("batch", {"batch": "b"}), given("i1", "pit"), given("i2", "good")))
    assert {image: label.label for image, label in found.items()} == {"i1": "pit", "i2": "good"}
    one = found["i1"]
    assert (one.n, one.by, one.at, one.labelled_at, one.spec, one.stale) == (3, "Tess", "at", "then", "1", False)


def renamed(old: str, new: str) -> tuple[str, dict[str, Any]]:
    return "class-rename", {"old": old, "new": new}


def taken_back(image: str, n: int) -> tuple[str, dict[str, Any]]:
    return "label-undo", {"image_id": image, "undone": n, "why": ""}


def test_a_label_that_is_undone_lets_the_one_before_stand_or_none() -> None:
    story = events(
        given("i1", "good"), given("i1", "pit"), given("i2", "good"), taken_back("i1", 2), taken_back("i2", 3)
    )
    assert {image: label.label for image, label in standing(story).items()} == {"i1": "good"}
    story = [*story, *events(*[given("i1", "stain")] * 6)[5:]]
    assert standing(story)["i1"].label == "stain"


def test_labels_follow_their_class_but_not_one_that_takes_its_name_later() -> None:
    story = events(
        given("i1", "scratch"), renamed("scratch", "groove"), given("i2", "scratch"), renamed("groove", "rut")
    )
    assert {image: label.label for image, label in standing(story).items()} == {"i1": "rut", "i2": "scratch"}
    assert called_now("scratch", renamings(story)) == "rut"


def test_what_a_model_learned_is_called_by_the_names_of_now() -> None:
    names = renamings(events(renamed("scratch", "groove"), renamed("crack", "scratch")))
    assert learned_as(("good", "scratch"), names) == {"good": "good", "scratch": "groove"}
    assert learned_as(("crack", "scratch"), names) == {"crack": "scratch", "scratch": "groove"}
    assert learned_as(("groove", "scratch"), names) == {"groove": "groove", "scratch": "scratch"}, "learned since"


def test_a_label_stays_stale_under_the_new_name() -> None:
    story = events(
        given("i1", "scratch"), changed("scratch"), given("i2", "scratch", "2"), renamed("scratch", "groove")
    )
    assert {image: label.stale for image, label in standing(story).items()} == {"i1": True, "i2": False}
    story += [Event(5, "at", "spec", "Tess", changed("groove")[1], "")]
    assert all(label.stale for label in standing(story).values())


def test_only_labels_before_a_new_spec_and_of_its_classes_are_stale() -> None:
    story = events(given("i1", "scratch"), given("i2", "pit"), changed("scratch"), given("i3", "scratch", "2"))
    assert {image for image, label in standing(story).items() if label.stale} == {"i1"}


def test_an_image_that_is_labelled_again_is_fresh_until_the_next_change_of_its_class() -> None:
    story = events(given("i1", "scratch"), changed("scratch"), given("i1", "scratch", "2"))
    assert not standing(story)["i1"].stale
    assert not standing([*story, Event(4, "", "spec", "", {"classes": ["pit"]}, "")])["i1"].stale
    assert standing([*story, Event(4, "", "spec", "", {"classes": ["scratch"]}, "")])["i1"].stale


def test_an_older_label_does_not_come_back_when_the_last_one_is_stale() -> None:
    story = events(given("i1", "good"), given("i1", "scratch"), changed("scratch"))
    assert (standing(story)["i1"].label, standing(story)["i1"].stale) == ("scratch", True)


CAMERAS = {
    "one": Camera(name="one", line="A", width=8, height=8, mode="L", parts=("p",), sides=1),
    "two": Camera(name="two", line="A", width=8, height=8, mode="L", parts=("p",), sides=2),
    "open": Camera(name="open", line="A", width=8, height=8, mode="L", parts=("p",)),
}


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """(camera, serial, label) with an image_id each, one a second."""
    frame = pd.DataFrame(rows, columns=["camera", "serial", "label"])
    return frame.assign(
        acceptable=frame["label"].isin(["good", "polished"]), image_id=[f"i{n}" for n in frame.index]
    ).assign(part="p", captured_at=pd.Timestamp(DAY) + pd.to_timedelta(frame.index, unit="s"))


def test_every_image_of_a_part_whose_labels_differ_is_named() -> None:
    found = conflicts(table(("one", "s1", "good"), ("one", "s1", "good"), ("one", "s1", "pit")), CAMERAS)
    assert list(found["image_id"]) == ["i0", "i1", "i2"] and found["on_verdict"].all()


@pytest.mark.parametrize(
    ("camera", "serial", "why"),
    [
        ("one", "s2", "another part"),
        ("two", "s1", "a camera that sees several sides"),
        ("gone", "s1", "no declared camera"),
    ],
)
def test_images_of_another_part_or_of_other_sides_do_not_contradict(camera: str, serial: str, why: str) -> None:
    assert conflicts(table(("one", "s1", "good"), (camera, serial, "pit")), CAMERAS).empty, why
    assert conflicts(table((camera, "s1", "good"), (camera, "s1", "good"), (camera, "s9", "pit")), CAMERAS).empty, why


def test_a_conflict_between_two_defects_is_told_from_one_on_the_verdict() -> None:
    rows = [("one", "s1", "pit"), ("one", "s1", "scratch"), ("one", "s2", "good"), ("one", "s2", "polished")]
    found = conflicts(table(*rows, ("one", "s3", "good"), ("one", "s3", "pit")), CAMERAS)
    assert dict(zip(found["serial"], found["on_verdict"], strict=True)) == {"s1": False, "s2": False, "s3": True}


@pytest.mark.skipif(not TILES.is_file(), reason=f"needs {TILES}")
@pytest.mark.parametrize("camera", ["one", "open"])
def test_the_inconsistent_tiles_of_a_public_data_set_are_found(camera: str) -> None:
    """Six exposures of one side: nobody has to say so."""
    tiles = pd.read_csv(TILES).rename(columns={"tile_id": "serial"})
    tiles = tiles.assign(
        camera=camera,
        part="p",
        acceptable=tiles["label"] == "MT_Free",
        captured_at=pd.Timestamp(DAY) + pd.to_timedelta(tiles.index, unit="s"),
    )
    found = conflicts(tiles, CAMERAS)
    assert set(found["serial"]) == set(tiles["serial"][tiles["label_consistent"] == 0]) and len(found) > 20


def test_no_labels_hold_no_conflict() -> None:
    assert conflicts(table(), CAMERAS).empty
