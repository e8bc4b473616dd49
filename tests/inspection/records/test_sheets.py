from pathlib import Path

import pandas as pd
import pytest

from inspection import clock, files, git
from inspection.errors import FixInput, FixSettings
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import Catalog, rebuild
from inspection.records.classes import rename_class
from inspection.records.sheets import (
    COLUMNS,
    conflicting_labels,
    conflicts_in_words,
    export_labels,
    import_labels,
    stale_labels,
    undo_labels,
)
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
    [("key", "label", "key"), ("image,label", "key", "image, label"), ("key|label", "key, label", "key|label")],
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
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\0\0", "key,label\nü,good".encode("utf-16"), b"key,label,Label\na,b,c\n", b'key,"label\n'],
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


def test_a_row_that_ends_early_is_refused_for_a_cell_may_be_missing_in_its_middle(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good,Ute", f"{key(1)},pit", header="key,label,by")
    done = import_labels(repo, csv, "Tess")
    assert {event.body["label"]: event.by for event in ledger.read(repo)} == {"good": "Ute"}
    assert done.refused == ((3, done.refused[0][1]),) and "it has 2 cells" in done.refused[0][1]


def test_a_picture_that_is_given_two_labels_by_one_sheet_gets_neither(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    windows = key(0).replace("/", "\\")
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},scratch", f"{key(1)},pit", f"{windows},pit", f"{images[0]},scratch")
    done = import_labels(repo, csv, "Tess")
    assert given(repo) == {key(1): "pit"}
    assert [line for line, _ in done.refused] == [2, 4, 5]
    assert "different labels (scratch in line 2, pit in line 4)" in done.refused[0][1]


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


# what people save


SAVED = {
    "semicolons": "KEY;Label\r\n{0};good\r\n{1};pit\r\n",
    "tabs": "key\tlabel\n{0}\tgood\n{1}\tpit\n",
    "told": "sep=;\nkey;label\n{0};good\n{1};pit\n",
    "quotes": '"key" ,"LABEL"\n"{0}", "good"\n"{1}","pit"\n',
    "line ends": "key,label\r{0},good\n{1},pit\r\n",
    "empty cells": "key,label,,\n{0},good,,\n,,,\n{1},pit,,,,\n",
    "a note": 'key,label,note\n{0},good,"two\nlines"\n{1},pit,"x ""y"""\n',
}


@pytest.mark.parametrize("form", SAVED)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_save_is_read(repo: Layout, images: list[str], tmp_path: Path, form: str, mark: str) -> None:
    (tmp_path / "a.csv").write_bytes((mark + SAVED[form].format(key(0), key(1))).encode())
    done = import_labels(repo, tmp_path / "a.csv", "Tess")
    assert (done.taken, done.refusals) == (2, 0), done.refused
    assert given(repo) == {key(0): "good", key(1): "pit"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{1},pit,extra", "it has 3 cells"),
        ("pit", "it has 1 cells"),
        ('"{1},pit', "a quote opens in it"),
        ('{1},"pit', "a quote opens in it"),
        ('{1},p"it', "it holds a stray quote"),
        ('"{1}"x,pit', "it holds a stray quote"),
        ("{1},p\0it", "it holds a NUL character"),
        ("{1},p\x1b[2Jit", "(U+001B)"),
        ("{1},p\u202eit", "(U+202E)"),
        ("{1},=1+1", "is not declared"),
    ],
)
def test_a_line_that_is_no_row_is_refused_alone_with_its_number(
    repo: Layout, images: list[str], tmp_path: Path, line: str, words: str
) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good", line.format(key(0), key(1)), f"{key(2)},pit")
    done = import_labels(repo, csv, "Tess")
    assert given(repo) == {key(0): "good", key(2): "pit"}
    ((number, told),) = done.refused
    assert number == 3 and words in told and told.isprintable() and done.refusals == 1


def test_two_stray_quotes_do_not_swallow_the_lines_between_them(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    rows = [f'{key(0)},good,"left', f"{key(1)},pit,", f'{key(2)},pit,right"']
    done = import_labels(repo, label_csv(tmp_path / "a.csv", *rows, header="key,label,note"), "Tess")
    assert given(repo) == {key(1): "pit"} and [line for line, _ in done.refused] == [2, 4]


def test_text_under_no_heading_is_refused(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},x,good", f"{key(1)},,pit", header="key,,label")
    done = import_labels(repo, csv, "Tess")
    assert given(repo) == {key(1): "pit"} and "a column without a name" in dict(done.refused)[2]


def test_windows_1252_is_taken_with_a_word_and_a_mixture_is_refused_where_it_is_strange(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    sheet = f"key,label,by\n{key(0)},good,Jörg\n{key(1)},pit,Zoë\n"
    (tmp_path / "a.csv").write_bytes(sheet.encode("cp1252"))
    done = import_labels(repo, tmp_path / "a.csv", "Tess")
    assert done.taken == 2 and "Windows-1252" in done.words[0]
    assert {event.by for event in ledger.read(repo)} == {"Jörg", "Zoë"}
    mixed = sheet.replace("good", "pit").encode() + f"{key(2)},pit,Jörg\n".encode("cp1252")
    (tmp_path / "b.csv").write_bytes(mixed)
    done = import_labels(repo, tmp_path / "b.csv", "Tess")
    assert (done.taken, done.known, done.words) == (1, 1, ()) and [line for line, _ in done.refused] == [4]


def test_a_column_that_is_nearly_one_of_ours_is_told(repo: Layout, images: list[str], tmp_path: Path) -> None:
    csv = label_csv(tmp_path / "a.csv", f"{key(0)},good,2026-11-01,7", header="key,label,Labeled at,torque")
    done = import_labels(repo, csv, "Tess")
    assert done.taken == 1 and len(done.words) == 1
    assert "column 'labeled at' is left alone; if it is meant to be labelled_at" in done.words[0]


def test_many_wrong_lines_are_a_summary(repo: Layout, images: list[str], tmp_path: Path) -> None:
    wrong = [f"no-{n},no-{n}" if n % 2 else f"no-{n}" for n in range(50_000)]
    done = import_labels(repo, label_csv(tmp_path / "a.csv", *wrong, f"{key(0)},good"), "Tess")
    assert (done.taken, done.refusals) == (1, 50_000)
    assert [line for line, _ in done.refused] == list(range(2, 22))


def test_an_exported_name_is_no_formula_and_comes_back_as_it_was(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    names = ["=HYPERLINK(1)", "@SUM(A1)"]
    rows = [f"{key(n)},good,{name}" for n, name in enumerate(names)]
    import_labels(repo, label_csv(tmp_path / "a.csv", *rows, header="key,label,by"), "Tess")
    out = files.as_sheet(export_labels(repo))
    assert "'=HYPERLINK" in out and "'@SUM" in out and ",=" not in out and ",@" not in out
    (tmp_path / "out.csv").write_text(out.replace("good", "pit"))
    import_labels(repo, tmp_path / "out.csv", "Tess")
    assert [event.by for event in ledger.read(repo)[2:]] == names


# labels that are taken back


def test_a_label_is_taken_back_by_an_event_and_the_one_before_stands(
    repo: Layout, images: list[str], tmp_path: Path
) -> None:
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},good", f"{key(1)},good"), "Tess")
    import_labels(repo, label_csv(tmp_path / "b.csv", f"{key(0)},pit"), "Tess")
    before = ledger.read(repo)
    done = undo_labels(repo, [key(0), images[1]], "Ute", "the wrong sheet")
    assert done == [(key(0), "pit", "good"), (images[1], "good", None)]
    events = ledger.read(repo)
    assert events[:3] == before and [event.kind for event in events[3:]] == ["label-undo"] * 2
    assert (events[-1].by, events[-1].body["why"]) == ("Ute", "the wrong sheet")
    assert given(repo) == {key(0): "good"}
    undo_labels(repo, [key(0)], "Ute", "that one too")
    assert given(repo) == {} and all(rebuild(repo).values())
    assert import_labels(repo, tmp_path / "b.csv", "Tess").taken == 1
    assert given(repo) == {key(0): "pit"} and all(rebuild(repo).values())
    assert git.changed(repo.home, ["data/ledger"]) == []


def test_what_has_no_label_is_said_and_nothing_is_taken_back(repo: Layout, images: list[str], tmp_path: Path) -> None:
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},good"), "Tess")
    for name, words in ((key(1), "has no label"), ("nobody.png", "was not taken in")):
        with pytest.raises(FixInput, match=words):
            undo_labels(repo, [key(0), name], "Ute", "wrong")
    with pytest.raises(FixInput, match="--why"):
        undo_labels(repo, [key(0)], "Ute", "")
    assert given(repo) == {key(0): "good"} and len(ledger.read(repo)) == 1


def test_an_old_name_of_a_class_is_refused_with_the_new_one(repo: Layout, images: list[str], tmp_path: Path) -> None:
    import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},scratch"), "Tess")
    rename_class(repo, "scratch", "zig", "Ute")
    done = import_labels(repo, label_csv(tmp_path / "b.csv", f"{key(1)},scratch"), "Tess")
    assert "did you mean 'zig'?" in done.refused[0][1] and given(repo) == {key(0): "zig"}


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


def test_what_may_have_made_labels_contradict_each_other_names_the_setting(pictures: Layout, tmp_path: Path) -> None:
    import_labels(pictures, label_csv(tmp_path / "a.csv", f"{part(0, 0)},good", f"{part(0, 1)},pit"), "Tess")
    (words,) = conflicts_in_words(pictures)
    assert words.startswith(
        "cam-1: the pictures of 1 part(s) bear different labels. If cam-1 photographs several sides"
    )
    assert "such as `sides: 2` (it says `sides: 1` now)" in words
    cameras = pictures.cameras.read_text()
    pictures.cameras.write_text(cameras.replace("sides: 1", "sides: 2", 1))
    assert conflicting_labels(pictures).empty and conflicts_in_words(pictures) == []
