import os

import pytest
from sqlalchemy import select

from inspection import git
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.classes import add_class, rename_class, undeclared, undeclared_words
from inspection.records.labels import standing
from inspection.records.schema import label_table
from inspection.taxonomy import Defect, read_taxonomy
from tests.inspection.world import git as plain


def defect(name: str, **changes: object) -> Defect:
    fields = {"name": name, "severity": "major", "acceptable": False, "since": "2", **changes}
    return Defect.model_validate(fields)


def test_a_declared_class_is_in_the_taxonomy_the_ledger_and_one_commit(repo: Layout) -> None:
    before = read_taxonomy(repo.taxonomy).classes
    rust = defect("rust", description="brown: it's oxide, or #2 paint")
    add_class(repo, rust, "Ute")
    assert read_taxonomy(repo.taxonomy).classes == {**before, "rust": rust}
    (event,) = ledger.read(repo)
    assert (event.kind, event.by, event.body["name"]) == ("class", "Ute", "rust")
    assert plain(repo.home, "log", "-1", "--format=%s") == "Class rust declared by Ute"
    assert git.run(repo.home, "status", "--porcelain") == ""


def test_comments_and_order_of_the_taxonomy_stay(repo: Layout) -> None:
    before = repo.taxonomy.read_text(encoding="utf-8")
    add_class(repo, defect("rust"), "Ute")
    after = repo.taxonomy.read_text(encoding="utf-8")
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]
    assert list(read_taxonomy(repo.taxonomy).classes)[-1] == "rust"
    assert plain(repo.home, "diff", "--numstat", "HEAD~1", "--", "taxonomy.yaml").split()[:2] == ["1", "0"]


@pytest.mark.parametrize("name", ["", "two words", "../up", "1st", "a\nb", "é", "-x", "a" * 41, "x: y"])
def test_a_name_that_is_none_is_refused_and_nothing_is_written(repo: Layout, name: str) -> None:
    before = repo.taxonomy.read_bytes()
    with pytest.raises(FixInput, match="no name for a class"):
        add_class(repo, defect(name), "Ute")
    assert repo.taxonomy.read_bytes() == before and ledger.read(repo) == []


@pytest.mark.parametrize("name", ["no", "off", "Yes", "null", "true", "y", "rust"])
def test_a_name_is_declared_as_it_is_or_refused(repo: Layout, name: str) -> None:
    """YAML reads a bare `no` as false."""
    try:
        add_class(repo, defect(name), "Ute")
    except FixInput:
        assert ledger.read(repo) == []
    else:
        assert name in read_taxonomy(repo.taxonomy).classes


def test_a_class_that_is_declared_already_is_refused(repo: Layout) -> None:
    with pytest.raises(FixInput, match="scratch is declared already"):
        add_class(repo, defect("scratch"), "Ute")


def test_a_class_needs_a_person(repo: Layout) -> None:
    with pytest.raises(FixInput, match="--by NAME"):
        add_class(repo, defect("rust"), " ")


def test_a_taxonomy_with_unsaved_changes_is_left_alone(repo: Layout) -> None:
    repo.taxonomy.write_text(repo.taxonomy.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    with pytest.raises(FixInput, match="not committed"):
        add_class(repo, defect("rust"), "Ute")
    assert "rust" not in read_taxonomy(repo.taxonomy).classes


# another name


def bear(layout: Layout, *labels: str) -> None:
    body = {"labelled_at": "2026-11-02T12:00:00.000000+00:00", "spec": "1"}
    ledger.append(
        layout, "label", "Tess", [{"image_id": f"i{n}", "label": one, **body} for n, one in enumerate(labels)]
    )
    git.commit(layout.home, ledger.files(layout), "Labels")


def worn(layout: Layout) -> list[str]:
    """The labels as ledger and catalog have them, which agree."""
    told = {image: label.label for image, label in standing(ledger.read(layout)).items()}
    catalog = open_catalog(layout)
    rows = catalog.frame(select(label_table.c.image_id, label_table.c.label).where(label_table.c.latest))
    catalog.close()
    assert dict(zip(rows["image_id"], rows["label"], strict=True)) == told
    assert all(rebuild(layout).values())
    return [told[image] for image in sorted(told)]


def test_a_renamed_class_keeps_its_place_and_its_labels(repo: Layout) -> None:
    bear(repo, "scratch", "pit", "scratch")
    before = read_taxonomy(repo.taxonomy).classes
    assert worn(repo) == ["scratch", "pit", "scratch"]
    assert rename_class(repo, "scratch", "groove", "Ute") == 2
    after = read_taxonomy(repo.taxonomy).classes
    assert list(after) == ["groove" if name == "scratch" else name for name in before]
    assert after["groove"] == before["scratch"].model_copy(update={"name": "groove"})
    assert worn(repo) == ["groove", "pit", "groove"]
    event = ledger.read(repo)[-1]
    assert (event.kind, event.by, event.body["old"], event.body["new"]) == ("class-rename", "Ute", "scratch", "groove")
    assert plain(repo.home, "diff", "--numstat", "HEAD~1", "--", "taxonomy.yaml").split()[:2] == ["1", "1"]
    assert git.run(repo.home, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("scratch", "pit", "pit is declared already"),
        ("scratch", "PIT", "pit is declared already"),
        ("scratch", "scratch", "declared already"),
        ("scratch", "two words", "no name for a class"),
        ("scratch", "no", "means something else in YAML"),
        ("scrach", "groove", "did you mean 'scratch'"),
        ("scratch", "burr", "Labels bear 'burr' from before"),
        ("burr", "groove", "declare it first"),
    ],
)
def test_a_renaming_that_cannot_be_is_refused_and_nothing_is_written(
    repo: Layout, old: str, new: str, words: str
) -> None:
    bear(repo, "burr")
    before = repo.taxonomy.read_bytes()
    with pytest.raises(FixInput, match=words):
        rename_class(repo, old, new, "Ute")
    assert repo.taxonomy.read_bytes() == before and len(ledger.read(repo)) == 1
    assert not repo.taxonomy.with_suffix(".part").exists()


@pytest.mark.parametrize("step", ["replace", "commit"])
def test_a_renaming_that_was_cut_short_is_finished_by_the_same_words(
    repo: Layout, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bear(repo, "scratch")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "replace" else git, step, killed)
        with pytest.raises(KeyboardInterrupt):
            rename_class(repo, "scratch", "groove", "Ute")
    assert rename_class(repo, "scratch", "groove", "Ute") == 1
    assert [event.kind for event in ledger.read(repo)] == ["label", "class-rename"]
    assert worn(repo) == ["groove"] and "groove" in read_taxonomy(repo.taxonomy).classes
    assert git.run(repo.home, "status", "--porcelain") == ""


@pytest.mark.parametrize("step", ["replace", "commit"])
def test_a_declaration_that_was_cut_short_is_finished_by_the_same_words(
    repo: Layout, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "replace" else git, step, killed)
        with pytest.raises(KeyboardInterrupt):
            add_class(repo, defect("burr"), "Ute")
    add_class(repo, defect("burr"), "Ute")
    assert [event.kind for event in ledger.read(repo)] == ["class"]
    assert "burr" in read_taxonomy(repo.taxonomy).classes
    assert git.run(repo.home, "status", "--porcelain") == ""
    with pytest.raises(FixInput, match="declared already"):
        add_class(repo, defect("burr"), "Ute")


def test_labels_that_an_edit_by_hand_has_stranded_are_told_and_follow(repo: Layout) -> None:
    bear(repo, "scratch", "scratch", "pit")
    repo.taxonomy.write_text(repo.taxonomy.read_text().replace("scratch:", "groove:"))
    git.commit(repo.home, [repo.taxonomy], "By hand")
    catalog = open_catalog(repo)
    found = undeclared(repo, catalog)
    catalog.close()
    assert found == {"scratch": 2}
    assert "2 labels bear class 'scratch', which is not declared any more" in undeclared_words(found)[0]
    assert rename_class(repo, "scratch", "groove", "Ute") == 2
    assert worn(repo) == ["groove", "groove", "pit"]


def test_a_difference_in_case_is_another_name(repo: Layout) -> None:
    bear(repo, "scratch")
    assert rename_class(repo, "scratch", "Scratch", "Ute") == 1
    assert worn(repo) == ["Scratch"]
