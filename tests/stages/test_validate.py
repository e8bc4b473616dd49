"""Validate: what a model might learn instead of the defect is found and said, and the page needs nothing else."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from inspection.cameras import Camera, read_cameras
from inspection.errors import FetchData, FixInput
from inspection.intake.likeness import NONE, Alike, thumbnail
from inspection.intake.suite import Verdict
from inspection.layout import Layout
from inspection.params import Validate
from inspection.records.batches import MANIFEST
from inspection.tables import write_table
from plant.line import Plant
from plant.shot import png
from stages import split, validate
from stages.validate import (
    captured_twice,
    labelled_pairs,
    near_duplicates,
    of_sides,
    page,
    set_aside,
    summary,
    thin_classes,
    thumbnails,
)
from tests.inspection.model.test_shortcuts import DAY, table

SETTINGS = Validate(
    min_images=60,
    min_parts_per_class=3,
    alike_rate=1e-5,
    alike_floor=0.8,
    max_group_share=0.02,
)
RULE = {"expectation": "expect_column_values_to_be_unique", "column": "image_id", "success": True, "checked": 240}
HELD = Verdict(True, ({**RULE, "broken": 0},), {}, None)  # type: ignore[arg-type]
BROKEN = Verdict(False, ({**RULE, "success": False, "broken": 1},), {"i00001": "camera is empty"}, None)  # type: ignore[arg-type]
CAMERAS = {
    name: Camera(name=name, line="A", width=128, height=96, mode="L", parts=("p",)) for name in ("cam-0", "cam-1")
}
BARS = pd.DataFrame([("cam-0", "p", 240, 0.81, True, 0)], columns=["camera", "part", "images", "bar", "own", "pairs"])
NOTHING_ASIDE = pd.DataFrame(
    columns=["image_id", "label", "acceptable", "part", "serial", "camera", "captured_at", "path", "batch", "reason"],
    dtype=str,
)


def alike_as(rows: list[tuple[str, str, float]], turn: str = "identity") -> Alike:
    found = pd.DataFrame(rows, columns=["a", "b", "correlation"]).assign(turn=turn)
    return Alike(found if rows else NONE, BARS)


def test_a_healthy_data_set_has_no_finding() -> None:
    report = summary(table(), NOTHING_ASIDE, HELD, alike_as([]), SETTINGS, CAMERAS)
    assert report["success"] and report["findings"] == []
    assert report["images"] == 240 and report["parts"] == 120
    assert report["images_by_class"] == {"crack": 80, "good": 80, "pit": 80}
    assert report["parts_by_camera"] == {"cam-0": 60, "cam-1": 60}
    assert sum(report["parts_by_day"].values()) == 120
    assert report["acceptable_images"] == 80
    json.dumps(report)


def test_a_class_with_few_parts_is_named_with_their_number() -> None:
    rows = table(12)
    assert thin_classes(rows, 3) == {"crack": 2, "good": 2, "pit": 2}
    assert thin_classes(rows, 2) == {}


def test_pictures_under_several_serials_are_counted() -> None:
    rows = table()
    rows.loc[[4, 9], "pieces"] = pd.Series([["a", "b"], ["b", "c"]], [4, 9])
    (finding,) = captured_twice(rows)
    assert finding.text.startswith("2 image(s) came under more than one serial or kind of part")


def test_near_duplicates_with_different_labels_come_first() -> None:
    pairs = labelled_pairs(table(), alike_as([("i00000", "i00006", 0.99), ("i00000", "i00002", 0.85)]).pairs)
    assert list(pairs["b"]) == ["i00002", "i00006"]
    assert list(pairs["agree"]) == [False, True]
    differ, every = near_duplicates(pairs)
    assert differ.text.startswith("1 pair(s) of near-duplicates, of 1 pair(s) of parts, bear different labels")
    assert every.text.startswith("2 pair(s) of pictures make 3 parts look like")


def test_of_two_parts_only_the_strongest_pair_is_listed() -> None:
    found = alike_as([("i00000", "i00006", 0.99), ("i00001", "i00007", 0.98), ("i00001", "i00006", 0.97)])
    report = summary(table(), NOTHING_ASIDE, HELD, found, SETTINGS, CAMERAS)
    assert report["near_duplicates"]["pairs"] == 3
    assert [one["correlation"] for one in report["near_duplicates"]["strongest"]] == [0.99]


def test_what_is_set_aside_is_counted_by_reason_and_conflicts_are_listed() -> None:
    aside = table().head(5)[[*NOTHING_ASIDE.columns[:-1]]]
    aside = aside.assign(reason=["stale", "conflict", "conflict", "held", "something new"])
    assert [one.text.split(" labelled")[0] for one in set_aside(aside)] == ["2", "1", "1", "1"]
    (lost, *_) = set_aside(aside.assign(reason="class", label="burr"))
    assert "5 labelled image(s) bear class 'burr', which is not declared any more" in lost.text
    assert "andon class rename burr" in lost.todo
    report = summary(table(), aside, HELD, alike_as([]), SETTINGS, CAMERAS)
    assert report["set_aside"] == {"conflict": 2, "held": 1, "something new": 1, "stale": 1}
    assert [one["image_id"] for one in report["conflicts"]] == ["i00001", "i00002"]


class _Links(HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def test_the_page_shows_all_findings_and_needs_no_other_file() -> None:
    rows = table()
    rows.at[4, "pieces"] = ["s1", "s<2>"]
    rows.loc[rows["label"] == "pit", "label"] = "<b>pit & co"
    aside = rows.head(2).assign(reason="conflict")
    report = summary(rows, aside, HELD, alike_as([("i00000", "i00002", 0.9)]), SETTINGS, CAMERAS)
    asked: list[str] = []

    def picture(path: str) -> str:
        asked.append(path)
        return "data:image/png;base64,AAAA" if path.endswith("/0.png") else ""

    html = page(report, picture)
    links = _Links()
    links.feed(html)
    assert links.sources and all(one.startswith("data:image/png;base64,") for one in links.sources)
    assert {Path(path).name for path in asked} == {"0.png", "1.png", "2.png"}
    assert "file is not on this disk" in html
    assert "<b>pit" not in html and "&lt;b&gt;pit &amp; co" in html
    assert "holds its contract" in html and "labels differ" in html
    assert html.count('class="about"') == len(report["findings"]) == 5


def test_the_page_of_a_broken_contract_says_so() -> None:
    report = summary(table(), NOTHING_ASIDE, BROKEN, Alike(NONE, BARS.iloc[:0]), SETTINGS, CAMERAS)
    assert "breaks its contract" in page(report, lambda _: "")


def test_the_page_is_the_same_each_time() -> None:
    one, two = (
        page(summary(rows, NOTHING_ASIDE, HELD, alike_as([]), SETTINGS, CAMERAS), lambda _: "")
        for rows in (table(), table().sample(frac=1, random_state=1))
    )
    assert one == two


def levels_from(pictures: dict[str, NDArray[np.float32]]) -> Callable[[str], NDArray[np.float32]]:
    def levels(path: str) -> NDArray[np.float32]:
        if path not in pictures:
            raise FetchData(path)
        return pictures[path]

    return levels


def test_thumbnails_come_from_the_manifest_and_are_made_where_it_has_none(tmp_path: Path) -> None:
    flat = {path: np.full((40, 40, 1), level, np.float32) for path, level in (("new/b.png", 9), ("old/c.png", 7))}
    ids = {"new/a.png": "a", "new/b.png": "b", "old/c.png": "c", "gone/d.png": "d"}
    rows = pd.DataFrame({"image_id": list(ids.values()), "path": list(ids)})
    for folder, content in (
        ("new", {"image_id": ["a", "b", "x"], "thumbnail": [b"kept", None, b"other"]}),
        ("old", {"image_id": ["c"]}),
    ):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table(content), tmp_path / folder / MANIFEST)
    found = thumbnails(rows, tmp_path, levels_from(flat))
    assert found == {"a": b"kept", "b": thumbnail(flat["new/b.png"]), "c": thumbnail(flat["old/c.png"])}


def test_a_table_that_breaks_its_contract_is_still_reported() -> None:
    rows = table()
    rows.loc[3, ["camera", "captured_at", "serial"]] = None
    rows = pd.concat([rows, rows.head(1)], ignore_index=True)
    report = summary(rows, NOTHING_ASIDE, BROKEN, Alike(NONE, BARS.iloc[:0]), SETTINGS, CAMERAS)
    assert not report["success"] and report["broken_rows"] == {"i00001": "camera is empty"}
    page(report, lambda _: "")


def small_world(layout: Layout) -> pd.DataFrame:
    """Drawn pictures of one camera as a batch with its snapshot; the first picture comes again as another part,
    and so looks like both views of the first."""
    camera = read_cameras(layout.cameras)["cam-1"]
    shots = [shot for shot in Plant(1, (camera,)).shots(DAY.date(), 160) if shot.part == "bracket"]
    folder = layout.batches / "2026-11-01" / "b1"
    folder.mkdir(parents=True)
    pictures = [*(shot.pixels for shot in shots), np.clip(shots[0].pixels * 0.9, 0, 255).astype(np.uint8)]
    rows = table(len(pictures)).assign(camera="cam-1", part="bracket", black=0, white=255, width=128, height=128)
    rows["serial"] = [*(shot.serial for shot in shots), "again"]
    rows["label"] = ["good" if shot.label == "good" else "scratch" for shot in shots] + ["pit"]
    rows["acceptable"] = rows["label"] == "good"
    for path, picture in zip(rows["path"], pictures, strict=True):
        (layout.home / path).write_bytes(png(picture))
    kept = [thumbnail(picture[:, :, None].astype(np.float32)) for picture in pictures[1:]]
    write_table(pd.DataFrame({"image_id": rows["image_id"], "thumbnail": [None, *kept]}), folder / MANIFEST)
    write_table(rows, layout.snapshot)
    write_table(rows.head(0).assign(reason="")[list(NOTHING_ASIDE)], layout.set_aside)
    return rows


def test_from_pictures_to_a_split_that_keeps_the_same_picture_on_one_side(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = small_world(tiny)
    monkeypatch.chdir(tiny.root)
    validate.main()
    assert "2 pair(s) of near-duplicates, of 1 pair(s) of parts, bear different labels" in capsys.readouterr().out
    report = json.loads((tiny.reports / "validate.json").read_text())
    assert report["success"] and report["near_duplicates"]["conflicting"] == 2
    html = (tiny.reports / "dataset.html").read_text()
    assert html.count("data:image/png;base64,") == 2
    split.main()
    done = pd.read_parquet(tiny.split).set_index("image_id")["split"]
    assert done.iloc[0] == done.iloc[-1] != "left out"
    assert set(done) == {"train", "val", "test"} and len(done) == len(rows)


def test_too_few_images_and_a_single_class_stop_the_run_after_the_report(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = small_world(tiny)
    monkeypatch.chdir(tiny.root)
    write_table(rows.head(40), tiny.snapshot)
    with pytest.raises(FixInput, match="40 labelled images are too few to train on; 60 are needed"):
        validate.main()
    assert (tiny.reports / "dataset.html").exists()
    aside = rows.tail(7).assign(reason="excluded", of="I-0003")
    write_table(aside[[*NOTHING_ASIDE, "of"]], tiny.set_aside)
    with pytest.raises(FixInput, match=r"7 labelled images are set aside.*andon incidents rule I-0003 --images use"):
        validate.main()
    write_table(rows.assign(label="good"), tiny.snapshot)
    with pytest.raises(FixInput, match=r"Every label is good.*7 labelled images are set aside"):
        validate.main()


def test_pairs_of_turned_pictures_stand_as_pictures_with_how_they_lie_and_how_many_there_are() -> None:
    found = alike_as([("i00000", f"i{n:05d}", 0.99 - n / 1e4) for n in range(6, 186, 6)], turn="flip_x")
    report = summary(table(), NOTHING_ASIDE, HELD, found, SETTINGS, CAMERAS)
    html = page(report, lambda path: f"data:image/png;base64,{Path(path).stem}")
    assert html.count(" with the right one mirrored left to right") == 24
    assert html.count("<img src=") == 48 and "data:image/png;base64,0" in html and "6.png" in html
    assert "Near-duplicates: 30 pairs" in html and "24 of 30 pairs are shown" in html
    assert report["near_duplicates"]["turned"] == 30
    (told,) = near_duplicates(labelled_pairs(table(), found.pairs))
    assert "30 of them only when one picture is turned or mirrored" in told.text


def test_a_camera_that_may_see_several_sides_is_told_with_the_setting() -> None:
    rows = table()
    conflicts = rows.head(2).assign(reason="conflict", label=["good", "pit"], acceptable=[True, False])
    (told,) = of_sides(rows[2:], conflicts, CAMERAS)
    assert "write how many under cam-0 in cameras.yaml, such as `sides: 2` (nothing is written there yet)" in told.text
    several = rows.assign(acceptable=rows["image_id"].str[-1].astype(int) % 2 == 0)  # every second picture of a part
    report = summary(several, NOTHING_ASIDE, HELD, alike_as([]), SETTINGS, CAMERAS)
    texts = [one["text"] for one in report["findings"] if one["about"] == "sides"]
    assert len(texts) == 2 and texts[0].startswith("cam-0 is taken to photograph 2 sides of a part: of 60 times")
    assert of_sides(several, NOTHING_ASIDE, {k: c.model_copy(update={"sides": 2}) for k, c in CAMERAS.items()}) == []


def test_two_kinds_that_share_serials_are_parts_of_their_own() -> None:
    rows = pd.concat([table(), table().assign(part="q", image_id=lambda own: own["image_id"] + "q")], ignore_index=True)
    report = summary(rows, NOTHING_ASIDE, HELD, alike_as([]), SETTINGS, CAMERAS)
    assert report["parts"] == 240 and report["parts_by_class"] == {"crack": 80, "good": 80, "pit": 80}
    assert thin_classes(rows.groupby("part").head(6), 3) == {"crack": 2, "good": 2, "pit": 2}
