from pathlib import Path

import pandas as pd
import pytest

from inspection import clock, git, ledger
from inspection.errors import FixInput, FixSettings
from inspection.labels import export_labels, import_labels
from inspection.layout import Layout
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
    assert done.taken == 2 and sorted(said) == [3, 4, 5, 6]
    assert "cam-1/bracket/nobody/1.png" in said[3] and "andon ingest" in said[3]
    assert "'scrach' is not declared; did you mean 'scratch'" in said[4] and "andon class add scrach" in said[4]
    assert "not declared" in said[5]
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
    assert [event.by for event in ledger.read(repo)] == ["Ute", "Tess"]


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
    assert list(pd.read_csv(tmp_path / "out.csv").columns) == ["key", "label", "by", "labelled_at", "image_id"]


def test_without_a_git_identity_nothing_is_written(
    repo: Layout, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMAIL", raising=False)
    plain(repo.home, "config", "--unset", "user.name")
    with pytest.raises(FixSettings, match="git config"):
        import_labels(repo, label_csv(tmp_path / "a.csv", f"{key(0)},good"), "Tess")
    assert ledger.read(repo) == []
