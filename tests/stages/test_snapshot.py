"""The labelled table that follows from the cut, and what is set aside from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from inspection.cameras import Camera
from inspection.errors import CheckHistory, FetchData, FixInput
from inspection.layout import Layout
from inspection.records import batches, ledger
from inspection.records.labels import Label
from inspection.records.ledger import Cut, write_cut
from inspection.tables import read_table
from inspection.taxonomy import Defect, Taxonomy
from stages.snapshot import COLUMNS, SET_ASIDE, labelled, main, reasons
from tests.conftest import ROOT

TAXONOMY = Taxonomy(
    spec="1",
    classes={
        "good": Defect(name="good", severity="none", acceptable=True, since="1"),
        "pit": Defect(name="pit", severity="major", acceptable=False, since="1"),
        "dent": Defect(name="dent", severity="major", acceptable=False, since="1"),
    },
)
CAMERAS = {
    "one": Camera(name="one", line="A", width=8, height=8, mode="L", parts=("p",), sides=1),
    "two": Camera(name="two", line="A", width=8, height=8, mode="L", parts=("p",), sides=2),
}
USABLE = {"b": batches.ACCEPTED, "r": batches.RELEASED, "h": batches.HELD, "d": batches.DISCARDED}


def captures(*rows: tuple[str, str, str], **columns: Any) -> pd.DataFrame:
    """(capture_id, image_id, captured_at) with everything else filled in; the serial is the capture_id."""
    frame = pd.DataFrame(rows, columns=["capture_id", "image_id", "captured_at"])
    frame["captured_at"] = pd.to_datetime(frame["captured_at"], utc=True)
    rest = {"line": "A", "camera": "one", "part": "p", "serial": frame["capture_id"], "path": "x", "batch": "b"}
    shot = {"format": "PNG", "width": 8, "height": 8, "bit_depth": 8, "black": 0, "white": 255}
    return frame.assign(**{**rest, **shot, **columns})


def given(stale: tuple[str, ...] = (), **labels: str) -> dict[str, Label]:
    return {
        image: Label(n, image, name, "Tess", "", "", "1", image in stale)
        for n, (image, name) in enumerate(labels.items(), start=1)
    }


ROWS = captures(("c2", "i1", "2026-11-02 08:00"), ("c1", "i1", "2026-11-02 07:00"), ("c3", "i2", "2026-11-02 09:00"))


def why(table: pd.DataFrame, cut: Cut | None = None) -> dict[str, str]:
    return dict(zip(table["image_id"], reasons(table, cut or Cut(), TAXONOMY, CAMERAS), strict=True))


def test_an_image_captured_twice_stands_once_with_its_first_capture_and_tells_as_how_many_pieces() -> None:
    table = labelled(ROWS, given(i1="good", i2="pit"), USABLE, TAXONOMY)
    assert list(table["serial"]) == ["c1", "c3"] and list(table["pieces"]) == [["c1 of p", "c2 of p"], ["c3 of p"]]
    same = labelled(ROWS.assign(serial="s"), given(i1="good"), USABLE, TAXONOMY)
    assert list(same["pieces"]) == [["s of p"]]


@pytest.mark.parametrize("state", ["h", "d"])
def test_a_capture_in_a_batch_that_may_not_be_used_does_not_count_where_another_may(state: str) -> None:
    table = labelled(ROWS.assign(batch=["b", state, state]), given(i1="good", i2="pit"), USABLE, TAXONOMY)
    assert list(table["serial"]) == ["c2", "c3"] and list(table["pieces"]) == [["c1 of p", "c2 of p"], ["c3 of p"]]
    assert why(table) == {"i1": "", "i2": USABLE[state]}


def test_a_released_batch_is_used() -> None:
    table = labelled(ROWS.assign(batch="r"), given(i1="good", i2="pit"), USABLE, TAXONOMY)
    assert why(table) == {"i1": "", "i2": ""}


def test_unlabelled_images_are_no_part_of_it() -> None:
    assert labelled(ROWS, {}, USABLE, TAXONOMY).empty
    assert list(labelled(ROWS, given(i2="good"), USABLE, TAXONOMY)["image_id"]) == ["i2"]


def test_stale_excluded_and_undeclared_images_are_set_aside_with_the_reason() -> None:
    rows = captures(*((f"c{n}", f"i{n}", "2026-11-02") for n in range(4)))
    labels = given(("i1",), i0="good", i1="good", i2="good", i3="burr")
    found = why(labelled(rows, labels, USABLE, TAXONOMY), Cut(exclusions=("i2",)))
    assert found == {"i0": "", "i1": "stale", "i2": "excluded", "i3": "class"}


def test_only_the_first_reason_is_given() -> None:
    rows = captures(*((f"c{n}", f"i{n}", "2026-11-02") for n in range(3)), batch=["h", "b", "b"])
    labels = given(("i0", "i1", "i2"), i0="burr", i1="burr", i2="pit")
    found = why(labelled(rows, labels, USABLE, TAXONOMY), Cut(exclusions=("i0", "i1", "i2")))
    assert found == {"i0": "held", "i1": "class", "i2": "stale"}


def test_all_images_of_a_part_whose_labels_differ_are_set_aside() -> None:
    rows = captures(*((f"c{n}", f"i{n}", "2026-11-02") for n in range(4)), serial=["s", "s", "s", "t"])
    labels = given(i0="good", i1="good", i2="pit", i3="pit")
    assert why(labelled(rows, labels, USABLE, TAXONOMY)) == dict.fromkeys(("i0", "i1", "i2"), "conflict") | {"i3": ""}
    assert set(why(labelled(rows.assign(camera="two"), labels, USABLE, TAXONOMY)).values()) == {""}


def test_an_image_that_is_set_aside_anyway_contradicts_nothing() -> None:
    rows = captures(*((f"c{n}", f"i{n}", "2026-11-02") for n in range(2)), serial="s")
    labels = given(("i1",), i0="good", i1="pit")
    assert why(labelled(rows, labels, USABLE, TAXONOMY)) == {"i0": "", "i1": "stale"}


def test_acceptable_comes_from_the_taxonomy() -> None:
    table = labelled(ROWS, given(i1="good", i2="pit"), USABLE, TAXONOMY)
    assert dict(zip(table["image_id"], table["acceptable"], strict=True)) == {"i1": True, "i2": False}


def test_the_order_of_the_manifests_and_of_the_labels_does_not_matter() -> None:
    turned = ROWS.iloc[::-1].reset_index(drop=True)
    one = labelled(ROWS, given(i1="good", i2="pit"), USABLE, TAXONOMY)
    pd.testing.assert_frame_equal(one, labelled(turned, given(i2="pit", i1="good"), USABLE, TAXONOMY))


# from files to files

MODERN = {"time_doubtful": False, "black": 16, "white": 4095, "thumbnail": b"\0"}


def add_batch(layout: Layout, rows: pd.DataFrame, name: str, old: bool = False, **body: Any) -> Path:
    """A batch on the disk and in the ledger; an `old` manifest has none of the columns that came later."""
    numbers = {"channels": 1, "bytes": 9, "key": "k", "ingested_at": rows["captured_at"]}
    looks = dict.fromkeys(("brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue"), 0.0)
    rows = rows.assign(batch=name, bit_depth=16, **numbers, **looks, **MODERN)
    folder = layout.batches / "2026-11-01" / name
    folder.mkdir(parents=True)
    digest = batches.write_manifest(rows, folder)
    if old:
        path = folder / batches.MANIFEST
        pq.write_table(pq.read_table(path).drop_columns(list(MODERN)), path)
        digest = batches.digest(path)
    told = {"batch": name, "partition": "2026-11-01", "captures": len(rows), "manifest": digest, **body}
    ledger.append(layout, "batch", "ingest", [told])
    return folder


def label(layout: Layout, labels: Mapping[str, str]) -> None:
    bodies = [{"image_id": i, "label": name, "labelled_at": "", "spec": "1"} for i, name in labels.items()]
    ledger.append(layout, "label", "Tess", bodies)


def cut(layout: Layout, exclusions: tuple[str, ...] = ()) -> None:
    head = ledger.head(layout)
    write_cut(layout.cut, Cut(events=head.events, digest=head.digest, exclusions=exclusions))


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A plant without git: settings, a manifest of today's form with images i1 and i2, and an old one with i3."""
    for name in ("params.yaml", "taxonomy.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    cameras = {"one": {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["p"]}}
    (tmp_path / "cameras.yaml").write_text(json.dumps(cameras))
    monkeypatch.chdir(tmp_path)
    layout = Layout(tmp_path.resolve(), tmp_path.resolve())
    add_batch(layout, ROWS, "b1")
    add_batch(layout, captures(("c4", "i3", "2026-11-03")), "b0", old=True)
    label(layout, {"i1": "good", "i2": "pit", "i3": "good"})
    cut(layout)
    return layout


def test_the_snapshot_holds_how_each_picture_was_taken_also_from_older_manifests(plant: Layout) -> None:
    main()
    table = read_table(plant.snapshot)
    assert tuple(table.columns) == COLUMNS and list(table["image_id"]) == ["i1", "i2", "i3"]
    assert list(zip(table["black"], table["white"], strict=True)) == [(16, 4095), (16, 4095), (0, 65535)]
    assert set(table["bit_depth"]) == {16} and set(table["format"]) == {"PNG"} and table["white"].dtype == int
    assert tuple(read_table(plant.set_aside).columns) == SET_ASIDE and read_table(plant.set_aside).empty


def test_what_is_set_aside_is_written_with_its_reason_and_told(
    plant: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    add_batch(plant, captures(("c5", "i4", "2026-11-04")), "b2", held=["sharpness"])
    label(plant, {"i4": "good"})
    ledger.append(plant, "spec", "Ute", [{"spec": "2", "classes": ["pit"], "why": ""}])
    cut(plant, exclusions=("i3",))
    main()
    aside = read_table(plant.set_aside)
    assert dict(zip(aside["image_id"], aside["reason"], strict=True)) == {"i2": "stale", "i3": "excluded", "i4": "held"}
    assert dict(zip(aside["image_id"], aside["of"], strict=True)) == {"i2": "", "i3": "", "i4": "b2"}
    assert list(read_table(plant.snapshot)["image_id"]) == ["i1"]
    assert capsys.readouterr().out.splitlines() == [
        "1 labelled images of 1 parts in 1 classes",
        "set aside: 1 excluded, 1 held, 1 stale",
    ]


def test_the_same_cut_gives_the_same_bytes(plant: Layout) -> None:
    main()
    first = plant.snapshot.read_bytes(), plant.set_aside.read_bytes()
    label(plant, {"i1": "pit"})  # after the cut
    main()
    assert (plant.snapshot.read_bytes(), plant.set_aside.read_bytes()) == first


def test_a_manifest_that_was_changed_is_refused(plant: Layout) -> None:
    path = plant.batches / "2026-11-01" / "b1" / batches.MANIFEST
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckHistory, match=r"b1/manifest\.parquet was changed after it was accepted"):
        main()
    path.unlink()
    with pytest.raises(FetchData, match=r"Batch b1 is not on this disk: run `dvc pull .*2026-11-01\.dvc`"):
        main()


def test_without_a_label_that_may_be_used_it_says_what_is_missing(plant: Layout) -> None:
    ledger.append(plant, "spec", "Ute", [{"spec": "2", "classes": ["good", "pit"], "why": ""}])
    cut(plant)
    with pytest.raises(FixInput, match=r"No labelled image may be used: 3 stale.*andon label stale --out CSV"):
        main()
    write_cut(plant.cut, Cut())
    with pytest.raises(FixInput, match="No labelled images yet"):
        main()


def test_a_picture_that_came_as_two_kinds_of_one_serial_came_as_two_pieces() -> None:
    rows = ROWS.assign(serial="s", part=["p", "q", "p"])
    assert list(labelled(rows, given(i1="good"), USABLE, TAXONOMY)["pieces"]) == [["s of p", "s of q"]]


def test_two_kinds_that_share_a_serial_do_not_contradict_each_other() -> None:
    rows = captures(*((f"c{n}", f"i{n}", "2026-11-02") for n in range(2)), serial="s", part=["p", "q"])
    assert set(why(labelled(rows, given(i0="good", i1="pit"), USABLE, TAXONOMY)).values()) == {""}


def test_labels_that_contradict_each_other_are_told_with_the_setting_that_would_allow_them(
    plant: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    both = captures(("c5", "i5", "2026-11-04 08:00:00"), ("c6", "i6", "2026-11-04 08:00:01"), serial="s")
    add_batch(plant, both, "b2")
    label(plant, {"i5": "good", "i6": "pit"})
    cut(plant)
    main()
    told = capsys.readouterr().out.splitlines()
    assert told[1] == "set aside: 2 conflict"
    assert told[2].startswith("one: the pictures of 1 part(s) bear different labels. If one photographs several sides")
    assert "write how many under one in cameras.yaml, such as `sides: 2` (nothing is written there yet)" in told[2]
    cut(plant, exclusions=("i1", "i2", "i3"))
    with pytest.raises(FixInput, match=r"2 conflict, 3 excluded\..*`sides: 2`"):
        main()
    declared = {"one": {"line": "A", "width": 8, "height": 8, "mode": "L", "parts": ["p"], "sides": 2}}
    plant.cameras.write_text(json.dumps(declared))
    main()
    assert list(read_table(plant.snapshot)["image_id"]) == ["i5", "i6"]


def test_sides_that_nobody_declared_are_learned_from_the_labels(plant: Layout) -> None:
    """Twenty parts in four pictures each, six of them with a pit on one side."""
    shots = [(f"d{n}-{view}", f"j{n}-{view}", f"2026-11-05 08:{n:02d}:0{view}") for n in range(20) for view in range(4)]
    add_batch(plant, captures(*shots, serial=[f"s{n}" for n in range(20) for _ in range(4)]), "b2")
    label(plant, {image: "pit" if int(image[1:-2]) < 6 and image[-1] == "2" else "good" for _, image, _ in shots})
    cut(plant)
    main()
    assert read_table(plant.set_aside).empty and len(read_table(plant.snapshot)) == 83
