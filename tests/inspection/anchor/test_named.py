"""What any commit names is found, also what a later one has dropped; what cannot be read is told."""

import json

import pytest

from inspection.anchor import named
from inspection.errors import CheckHistory
from inspection.layout import Layout
from tests.inspection.world import git

MAP = """\
stages:
  split:
    outs: [data/split.parquet]
    metrics:
      - reports/split.json: {cache: false}
"""


def committed(layout: Layout, **texts: str) -> None:
    for name, text in texts.items():
        path = layout.home / name.replace("__", "/").replace("_dvc", ".dvc").replace("dvc_", "dvc.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(layout.home, "add", "--all")
    git(layout.home, "commit", "--quiet", "--message", "More")


def record(split: str, report: str) -> str:
    outs = [{"path": "data/split.parquet", "md5": split}, {"path": "reports/split.json", "md5": report}]
    return json.dumps({"stages": {"split": {"outs": outs}}})


@pytest.fixture
def plant(repo: Layout) -> Layout:
    """Two states of a partition and of a stage, one after the other."""
    committed(repo, data__b_dvc="outs:\n- md5: a1.dir\n  path: b\n", dvc_yaml=MAP, dvc_lock=record("b1", "c1"))
    committed(repo, data__b_dvc="outs:\n- md5: a2.dir\n  path: b\n", dvc_lock=record("b2", "c2"))
    return repo


def test_every_commit_counts_and_the_last_one_alone_is_less(plant: Layout) -> None:
    every, last = named.by_commits(plant, "--all"), named.by_last(plant)
    assert set(every.paths) == {"a1.dir", "a2.dir", "b1", "b2", "c1", "c2"}
    assert every.paths["a1.dir"] == "data/b" and every.paths["b1"] == "data/split.parquet"
    assert set(last.paths) == {"a2.dir", "b2", "c2"}
    assert (every.perhaps, last.perhaps) == ({"c1", "c2"}, {"c2"})


def test_what_a_stage_made_is_told_without_what_no_store_has() -> None:
    assert named.outputs(record("b1", "c1"), MAP, ["split", "train"]) == ["b1"]


def test_what_cannot_be_read_is_told_and_stops_where_it_is_the_last(plant: Layout) -> None:
    committed(plant, dvc_lock="<<<<<<< mine\n: [")
    assert named.by_commits(plant, "--all").unread == ("dvc.lock",)
    with pytest.raises(CheckHistory, match=r"dvc\.lock.*cannot be read"):
        named.by_last(plant)
    committed(plant, dvc_lock=record("b3", "c3"))
    assert "b3" in named.by_last(plant).paths
