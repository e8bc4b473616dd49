from pathlib import Path

import pandas as pd
import pytest

from inspection import clock, git
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import Catalog
from inspection.records.sheets import COLUMNS, conflicting_labels, export_labels, import_labels, stale_labels
from inspection.records.spec import revise
from tests.inspection.world import NOON, add_batch, key, label_csv, picture
from tests.inspection.world import git as plain


@pytest.fixture
def images(repo: Layout) -> list[str]:
    """The image_ids of the plant's three captures, key(0) to key(2)."""
    return list(add_batch(repo, "b", {key(n): picture(n) for n in range(3)})["image_id"])


def given(layout: Layout) -> dict[str, str]:
    frame = export_labels(layout)
    return dict(zip(frame["key"], frame["label"], strict=True))


def test_labels_of_a_csv_are_in_the_ledger_and_in_one_commit(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "monday.csv", f"{key(0)},good", f"{images[1]},scratch")
    done = import_labels(repo, csv, "Tess")
    assert (done.taken, done.known, done.refused) == (2, 0, ())
    assert given(repo) == {key(0): "good", key(1): "scratch"}
    assert [event.by for event in ledger.read(repo)] == ["Tess", "Tess"]
    assert plain(repo.home, "log", "-1", "--format=%s") == "Labels: 2 from monday.csv"
    assert git.changed(repo.home, ["data/ledger"]) == []


def test_the_same_csv_again_changes_nothing(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good", f"{key(0)},good")
    assert import_labels(repo, csv, "Tess").taken == 1
    revision = plain(repo.home, "rev-parse", "HEAD")
    again = import_labels(repo, csv, "Theo")
    assert (again.taken, again.known) == (0, 2)
    assert plain(repo.home, "rev-parse", "HEAD") == revision


def test_bad_rows_are_refused_one_by_one_with_line_and_remedy_and_the_others_are_taken(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    csv = label_csv(
        tmp_path / "a.csv",
        f"{key(0)},good,",
        "cam-1/bracket/nobody/1.png,good,",
        f"{key(1)},scrach,",
        f"{key(1)},,",
        f"{key(1)},pit,yesterday",
        f"{key(2)},pit,2026-11-02T12:00:00Z",
        header="key,label,labelled_at",
    )
    done = import_labels(repo, csv, "Tess")
    said = dict(done.refused)
    assert (done.taken, done.empty) == (2, 1) and sorted(said) == [3, 4, 6]
    assert "cam-1/bracket/nobody/1.png" in said[3] and "andon ingest" in said[3]
    assert "'scrach' is not declared; did you mean 'scratch'" in said[4] and "andon class add scrach" in said[4]
    assert "'yesterday' is not a time" in said[6]
    assert given(repo) == {key(0): "good", key(2): "pit"}


def test_the_line_that_is_named_is_the_file_s_also_behind_an_empty_line(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good", "", f"{key(1)},rust")
    assert [line for line, _ in import_labels(repo, csv, "Tess").refused] == [4]


@pytest.mark.parametrize(
    ("header", "missing", "has"),
    [("key", "label", "key"), ("image,label", "key", "image, label"), ("key;label", "key, label", "key;label")],
)
def test_a_csv_with_a_missing_column_is_refused_with_what_it_has(
    repo: Layout, tmp_path: Path, header: str, missing: str, has: str
) -> None:
    csv = label_csv(tmp_path / "a.csv", "x,good" if "," in header else "x", header=header)
    with pytest.raises(FixInput) as refusal:
        import_labels(repo, csv, "Tess")
    words = str(refusal.value)
    assert str(csv) in words and f"column {missing} is missing; it has {has}." in words
    assert ledger.read(repo) == []


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n\0\0", "key,label\nü,good".encode("utf-16"), b'key,label\n"a,b\n']
)
def test_what_is_no_csv_is_refused(repo: Layout, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FixInput, match=r"a\.csv"):
        import_labels(repo, tmp_path / "a.csv", "Tess")


def test_a_csv_that_is_not_there_or_is_a_folder_is_refused(repo: Layout, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FixInput, match=path.name):
            import_labels(repo, path, "Tess")


def test_a_csv_with_the_mark_that_excel_puts_in_front_is_read(repo: Layout, images: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"key,label\r\n {key(0)} , good \r\n".encode())
    assert import_labels(repo, tmp_path / "a.csv", "Tess").taken == 1


def test_author_and_time_come_from_the_csv_where_it_says_them(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(
        tmp_path / "a.csv",
        f"{key(0)},good,Ute,2026-11-01T08:00:00+01:00",
        f"{key(1)},good,,",
        header="key,label,by,labelled_at",
    )
    with clock.at(NOON):
        import_labels(repo, csv, "Tess")
    said = {event.body["image_id"]: (event.by, event.body["labelled_at"]) for event in ledger.read(repo)}
    assert said == {
        images[0]: ("Ute", "2026-11-01T07:00:00.000000+00:00"),
        images[1]: ("Tess", "2026-11-02T12:00:00.000000+00:00"),
    }


def test_a_row_that_ends_early_has_no_author_named_nan(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good,Ute", f"{key(1)},pit", header="key,label,by")
    import_labels(repo, csv, "Tess")
    assert {event.body["label"]: event.by for event in ledger.read(repo)} == {"good": "Ute", "pit": "Tess"}


def test_the_last_row_of_an_image_wins_also_where_authors_take_turns(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    csv = label_csv(
        tmp_path / "a.csv",
        f"{key(0)},scratch,Ute",
        f"{key(0)},pit,Theo",
        f"{key(0)},crack,Ute",
        header="key,label,by",
    )
    assert import_labels(repo, csv, "Tess").taken == 3
    assert given(repo) == {key(0): "crack"}


def test_a_label_may_change_back(repo: Layout, images: list[str], tmp_path: Path) -> None:
    for name in ("good", "pit", "good"):
        assert import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},{name}"), "Tess").taken == 1
    assert given(repo) == {key(0): "good"} and len(ledger.read(repo)) == 3


def test_a_key_that_was_used_again_stands_for_its_latest_image(repo: Layout, images: list[str], tmp_path: Path) -> None:
    again = add_batch(repo, "c", {key(0): picture(50)})["image_id"][0]
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},pit"), "Tess")
    assert [event.body["image_id"] for event in ledger.read(repo)] == [again]


def test_what_was_exported_can_be_imported(repo: Layout, images: list[str], tmp_path: Path) -> None:
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},good", f"{key(1)},pit"), "Tess")
    export_labels(repo).to_csv(tmp_path / "out.csv", index=False)
    done = import_labels(repo, tmp_path / "out.csv", "Tess")
    assert (done.taken, done.known, done.refused) == (0, 2, ())
    assert list(pd.read_csv(tmp_path / "out.csv").columns) == [*COLUMNS, "by", "labelled_at", "image_id", "spec"]


def test_without_a_git_identity_nothing_is_written(
    repo: Layout, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMAIL", raising=False)
    plain(repo.home, "config", "--unset", "user.name")
    with pytest.raises(FixSettings, match="git config"):
        import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},good"), "Tess")
    assert ledger.read(repo) == []


def test_a_class_that_differs_in_case_only_is_asked_for_by_its_name(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    done = import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},PIT", f"{key(1)},Good"), "Tess")
    said = dict(done.refused)
    assert "did you mean 'pit'?" in said[2] and "did you mean 'good'?" in said[3]


def test_a_time_in_the_future_is_refused_but_a_clock_may_be_a_little_ahead(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    csv = label_csv(
        tmp_path / "a.csv",
        f"{key(0)},good,2026-11-02T12:05:00",
        f"{key(1)},good,2026-11-02T12:30:00",
        header="key,label,labelled_at",
    )
    with clock.at(NOON):
        done = import_labels(repo, csv, "Tess")
    assert done.taken == 1
    assert "'2026-11-02T12:30:00' lies in the future" in dict(done.refused)[3]


def test_the_key_may_be_an_image_id_whose_key_stands_for_another_image(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    again = add_batch(repo, "c", {key(0): picture(50)})["image_id"][0]
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{images[0]},pit", f"{key(0)},good"), "Tess")
    assert {e.body["image_id"]: e.body["label"] for e in ledger.read(repo)} == {images[0]: "pit", again: "good"}


def test_a_sheet_asks_the_catalog_for_its_own_images_only(
    repo: Layout, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[pd.DataFrame] = []
    ask = Catalog.frame

    def frame(self: Catalog, query: object) -> pd.DataFrame:
        frames.append(ask(self, query))
        return frames[-1]

    monkeypatch.setattr(Catalog, "frame", frame)
    assert import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(1)},pit"), "Tess").taken == 1
    assert sum(map(len, frames)) == 1


def test_many_authors_who_take_turns_cost_one_write_each(
    repo: Layout, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []
    append = ledger.append
    monkeypatch.setattr(ledger, "append", lambda *given: writes.append(given[2]) or append(*given))
    rows = [f"{key(n)},good,{author}" for n, author in enumerate(("Ute", "Theo", "Ute"))]
    assert import_labels(repo, label_csv(tmp_path / "a.csv", *rows, header="key,label,by"), "Tess").taken == 3
    assert sorted(writes) == ["Theo", "Ute"]


# a new version of the quality spec


@pytest.fixture
def revised(repo: Layout, images: list[str], tmp_path: Path) -> Layout:
    """Images labelled scratch, scratch and pit, and a spec 2 that changes what a scratch is."""
    rows = [f"{key(0)},scratch", f"{key(1)},scratch", f"{key(2)},pit"]
    import_labels(repo, label_csv(tmp_path / "old.csv", *rows), "Tess")
    assert revise(repo, "2", ["scratch"], "Ute") == 2
    return repo


def test_the_sheet_of_stale_labels_is_filled_in_and_imported(revised: Layout, tmp_path: Path) -> None:
    sheet = stale_labels(revised)
    assert list(sheet.columns) == ["key", "label", "was", "camera", "part", "serial", "path"]
    assert sheet[["key", "label", "was"]].to_numpy().tolist() == [[key(0), "", "scratch"], [key(1), "", "scratch"]]
    assert (revised.home / sheet["path"][0]).is_file()
    sheet.to_csv(tmp_path / "stale.csv", index=False)
    untouched = import_labels(revised, tmp_path / "stale.csv", "Ute")
    assert (untouched.taken, untouched.known, untouched.refused, untouched.empty) == (0, 0, (), 2)
    sheet.assign(label=["pit", ""]).to_csv(tmp_path / "stale.csv", index=False)
    assert import_labels(revised, tmp_path / "stale.csv", "Ute").taken == 1
    assert list(stale_labels(revised)["key"]) == [key(1)]


def test_a_stale_label_that_is_repeated_is_given_anew_and_once(revised: Layout, tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},scratch", f"{key(0)},scratch", f"{key(2)},pit")
    done = import_labels(revised, csv, "Ute")
    assert (done.taken, done.known) == (1, 2)
    assert ledger.read(revised)[-1].body["spec"] == "2"
    assert list(stale_labels(revised)["key"]) == [key(1)]
    assert import_labels(revised, csv, "Ute").known == 3


def test_an_export_from_before_does_not_make_stale_labels_fresh(revised: Layout, tmp_path: Path) -> None:
    export_labels(revised).to_csv(tmp_path / "out.csv", index=False)
    assert import_labels(revised, tmp_path / "out.csv", "Ute").known == 3
    assert len(stale_labels(revised)) == 2


def test_a_label_under_an_old_spec_counts_unless_its_class_has_changed_since(revised: Layout, tmp_path: Path) -> None:
    csv = label_csv(
        tmp_path / "a.csv",
        f"{key(0)},stain,1",
        f"{key(2)},scratch,1",
        f"{key(1)},pit,7",
        f"{key(1)},scratch,2",
        header="key,label,spec",
    )
    done = import_labels(revised, csv, "Ute")
    said = dict(done.refused)
    assert done.taken == 2 and sorted(said) == [3, 4]
    assert "scratch means something else since spec 2" in said[3]
    assert "'7' is no version of the quality spec; there are 1, 2" in said[4]
    assert [event.body["spec"] for event in ledger.read(revised)[-2:]] == ["1", "2"]


def test_a_stale_image_whose_key_was_used_again_is_listed_by_its_id(revised: Layout, images: list[str]) -> None:
    add_batch(revised, "c", {key(0): picture(50)})
    assert set(stale_labels(revised)["key"]) == {images[0], key(1)}


# labels that contradict


def part(number: int, shot: int) -> str:
    return f"cam-1/bracket/part-{number}/20261102T06{shot:02d}00000Z.png"


@pytest.fixture
def pictures(repo: Layout) -> Layout:
    """Three parts in two pictures each, by a camera that sees one side."""
    cameras = repo.cameras.read_text()
    repo.cameras.write_text(cameras.replace("sides: 2", "sides: 1", 1))
    add_batch(repo, "b", {part(n, shot): picture(10 * n + shot) for n in range(3) for shot in range(2)})
    return repo


def test_contradicting_labels_are_listed_until_they_are_given_anew(pictures: Layout, tmp_path: Path) -> None:
    rows = [f"{part(0, 0)},good", f"{part(0, 1)},pit", f"{part(1, 0)},pit", f"{part(1, 1)},scratch"]
    rows += [f"{part(2, 0)},pit", f"{part(2, 1)},pit"]
    import_labels(pictures, label_csv(tmp_path / "a.csv", *rows), "Tess")
    found = conflicting_labels(pictures)
    assert list(found["key"]) == [part(0, 0), part(0, 1), part(1, 0), part(1, 1)]
    assert list(found["on_verdict"]) == [True, True, False, False] and set(found["by"]) == {"Tess"}
    import_labels(pictures, label_csv(tmp_path / "b.csv", f"{part(0, 0)},pit", f"{part(1, 0)},scratch"), "Ute")
    assert conflicting_labels(pictures).empty


def test_a_stale_label_contradicts_nothing(pictures: Layout, tmp_path: Path) -> None:
    import_labels(pictures, label_csv(tmp_path / "a.csv", f"{part(0, 0)},good", f"{part(0, 1)},pit"), "Tess")
    revise(pictures, "2", ["pit"], "Ute")
    assert conflicting_labels(pictures).empty


def test_a_batch_that_is_held_back_contradicts_nothing(pictures: Layout, tmp_path: Path) -> None:
    import_labels(pictures, label_csv(tmp_path / "a.csv", f"{part(0, 0)},good", f"{part(0, 1)},pit"), "Tess")
    assert len(conflicting_labels(pictures)) == 2
    ledger.append(pictures, "batch-ruling", "Lena", [{"batch": "b", "what": "held"}])
    assert conflicting_labels(pictures).empty
    ledger.append(pictures, "batch-ruling", "Lena", [{"batch": "b", "what": "released"}])
    assert len(conflicting_labels(pictures)) == 2


def test_nothing_labelled_is_neither_stale_nor_in_conflict(repo: Layout) -> None:
    assert stale_labels(repo).empty and conflicting_labels(repo).empty
