"""A new version of the quality spec."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from andon.__main__ import app
from inspection import git
from inspection.chain import Event
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records import spec as module
from inspection.records.spec import fold, revise
from inspection.taxonomy import read_taxonomy
from tests.inspection.world import add_batch, key, picture
from tests.inspection.world import git as plain


def label(layout: Layout, *labels: str) -> None:
    body = {"labelled_at": "", "spec": "1"}
    ledger.append(layout, "label", "Tess", [{"image_id": name, "label": name, **body} for name in labels])


def specs(layout: Layout) -> list[Event]:
    return [event for event in ledger.read(layout) if event.kind == "spec"]


def test_a_new_version_is_in_the_taxonomy_the_ledger_and_one_commit(repo: Layout) -> None:
    label(repo, "scratch", "pit", "good")
    assert revise(repo, "2", ["scratch", "pit", "pit"], "Ute", "customer complaint") == 2
    (event,) = specs(repo)
    said = {name: event.body[name] for name in ("spec", "before", "classes", "why")}
    assert said == {"spec": "2", "before": "1", "classes": ["scratch", "pit"], "why": "customer complaint"}
    assert event.by == "Ute" and read_taxonomy(repo.taxonomy).spec == "2"
    assert plain(repo.home, "log", "-1", "--format=%s") == "Quality spec 2 put in force by Ute"
    assert git.run(repo.home, "status", "--porcelain") == ""


def test_all_else_in_the_taxonomy_stays_as_it_is(repo: Layout) -> None:
    before = repo.taxonomy.read_text(encoding="utf-8")
    revise(repo, "2026-11", [], "Ute")
    assert repo.taxonomy.read_text(encoding="utf-8") == before.replace('spec: "1"', 'spec: "2026-11"')


def test_a_version_that_looks_like_a_number_stays_a_word(repo: Layout) -> None:
    for version in ("2", "2.10", "1e3", "yes"):
        revise(repo, version, [], "Ute")
        assert read_taxonomy(repo.taxonomy).spec == version


@pytest.mark.parametrize(
    ("version", "classes", "by", "words"),
    [
        ("1", [], "Ute", "Spec 1 is in force already"),
        ("", [], "Ute", "is no version"),
        ("2\n", [], "Ute", "is no version"),
        ('2"', [], "Ute", "is no version"),
        ("2", ["scrach"], "Ute", "'scrach' is not declared; did you mean 'scratch'"),
        ("2", ["PIT"], "Ute", "did you mean 'pit'"),
        ("2", [], " ", "--by NAME"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    repo: Layout, version: str, classes: list[str], by: str, words: str
) -> None:
    with pytest.raises(FixInput, match=words):
        revise(repo, version, classes, by)
    assert ledger.read(repo) == [] and git.run(repo.home, "status", "--porcelain") == ""


def test_a_version_never_comes_back(repo: Layout) -> None:
    revise(repo, "2", [], "Ute")
    revise(repo, "3", ["pit"], "Ute")
    with pytest.raises(FixInput, match="Spec 2 came before 3, which is in force"):
        revise(repo, "2", [], "Ute")
    with pytest.raises(FixInput, match="Spec 3 is in force already"):
        revise(repo, "3", ["pit"], "Ute")
    assert len(specs(repo)) == 2


def test_a_version_since_which_a_class_is_there_came_before(repo: Layout) -> None:
    repo.taxonomy.write_text(repo.taxonomy.read_text().replace('spec: "1"', 'spec: "4"'))
    git.commit(repo.home, [repo.taxonomy], "By hand")
    with pytest.raises(FixInput, match="Spec 1 came before 4"):
        revise(repo, "1", [], "Ute")


def test_a_taxonomy_with_unsaved_changes_is_left_alone(repo: Layout) -> None:
    text = repo.taxonomy.read_text() + "# mine\n"
    repo.taxonomy.write_text(text)
    with pytest.raises(FixInput, match="not committed"):
        revise(repo, "2", [], "Ute")
    assert repo.taxonomy.read_text() == text and ledger.read(repo) == []


def killed(*_: object) -> None:
    raise KeyboardInterrupt


CUTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    lambda patch: patch.setattr(module, "edited", killed),
    lambda patch: patch.setattr(os, "replace", killed),
    lambda patch: patch.setattr(git, "commit", killed),
]


@pytest.mark.parametrize("cut", CUTS, ids=["before the new text", "before it is in place", "before the commit"])
def test_a_revision_that_was_cut_short_is_finished_by_running_it_again(
    repo: Layout, monkeypatch: pytest.MonkeyPatch, cut: Callable[[pytest.MonkeyPatch], None]
) -> None:
    label(repo, "scratch")
    git.commit(repo.home, ledger.files(repo), "Labels")
    with monkeypatch.context() as patch:
        cut(patch)
        with pytest.raises(KeyboardInterrupt):
            revise(repo, "2", ["scratch"], "Ute")
    assert fold(ledger.read(repo), read_taxonomy(repo.taxonomy)).current == "2"
    with pytest.raises(FixInput, match="on record already with classes scratch, by Ute"):
        revise(repo, "2", ["pit"], "Theo")
    assert revise(repo, "2", ["scratch"], "Theo") == 1
    assert len(specs(repo)) == 1 and read_taxonomy(repo.taxonomy).spec == "2"
    assert plain(repo.home, "log", "-1", "--format=%s") == "Quality spec 2 put in force by Ute"
    assert [line for line in git.run(repo.home, "status", "--porcelain").splitlines() if ".part" not in line] == []


def test_two_revisions_that_were_cut_short_are_finished_by_the_last(
    repo: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "edited", killed)
        for version in ("2", "3"):
            with pytest.raises(KeyboardInterrupt):
                revise(repo, version, [], "Ute")
    revise(repo, "3", [], "Ute")
    assert [event.body["spec"] for event in specs(repo)] == ["2", "3"]
    assert read_taxonomy(repo.taxonomy).spec == "3" and git.run(repo.home, "status", "--porcelain") == ""


def test_versions_are_told_oldest_first_and_a_class_by_its_last_change(repo: Layout) -> None:
    revise(repo, "2", ["pit", "scratch"], "Ute")
    revise(repo, "3", ["pit"], "Ute")
    spec = fold(ledger.read(repo), read_taxonomy(repo.taxonomy))
    assert spec.versions == ("1", "2", "3") and spec.changed == {"pit": "3", "scratch": "2"}
    assert spec.outdates("pit", "2") and not spec.outdates("scratch", "2") and not spec.outdates("good", "1")


def test_from_a_new_spec_to_labels_given_anew_by_command(
    repo: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.root)

    def andon(*words: str) -> str:
        done = CliRunner().invoke(app, ["label", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    (image,) = add_batch(repo, "b", {key(0): picture(0)})["image_id"]
    ledger.append(repo, "label", "Tess", [{"image_id": image, "label": "pit", "labelled_at": "", "spec": "1"}])
    sheet = tmp_path / "stale.csv"
    assert "No label is stale" in andon("stale") and "No labels contradict" in andon("conflicts")
    assert "Quality spec 2 is in force. 1 images have a stale label" in andon("spec", "2", "--by=Ute", "--classes=pit")
    assert json.loads(andon("stale", "--json"))[0]["was"] == "pit"
    assert "1 images written" in andon("stale", "--out", str(sheet))
    assert "0 labels taken in, 0 known already, 0 refused, 1 not filled in yet" in andon("import", str(sheet))
    sheet.write_text(sheet.read_text().replace(f"{key(0)},,", f"{key(0)},pit,"))
    assert "1 labels taken in, 0 known already, 0 refused." in andon("import", str(sheet))
    assert json.loads(andon("conflicts", "--json")) == json.loads(andon("stale", "--json")) == []
    assert json.loads(andon("spec", "3", "--by", "Ute", "--all-classes", "--json"))["stale"] == 1
    assert json.loads(andon("spec", "4", "--by", "Ute", "--no-classes", "--json"))["classes"] == []


@pytest.mark.parametrize("said", [[], ["--classes", "pit", "--all-classes"]])
def test_which_classes_change_is_said_once(repo: Layout, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.chdir(repo.root)
    done = CliRunner().invoke(app, ["label", "spec", "2", "--by", "Ute", *said])
    assert isinstance(done.exception, FixInput) and "--all-classes or --no-classes" in str(done.exception)
    assert ledger.read(repo) == []
