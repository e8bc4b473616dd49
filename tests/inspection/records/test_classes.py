import pytest

from inspection import git
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.classes import add_class
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
