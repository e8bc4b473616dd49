"""What there is to learn from, and whether one may go on from the champion."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from inspection.errors import FetchData
from inspection.layout import Layout
from inspection.model.champion import Champion, write_champion
from inspection.model.package import CARD, package_hash
from inspection.model.plan import NONE, Plan, Work, plan
from inspection.network.frozen import Frozen
from inspection.params import Params, read_params
from inspection.records import ledger
from inspection.records.batches import digest
from inspection.records.ledger import Cut, write_cut
from inspection.tables import write_table
from stages.plan import in_short, work
from tests.conftest import ROOT
from tests.inspection.world import card, fake_package

NETWORK = Frozen(Path("network.onnx"), "f" * 64, 18)
SETTINGS = read_params(ROOT / "params.yaml")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A plant with 10 images to train on, 4 to validate on, 3 of the test set and 2 that were left out."""
    (tmp_path / "data").mkdir()
    (tmp_path / "models").mkdir()
    made = Layout(tmp_path, tmp_path)
    labels = ["good"] * 6 + ["pit"] * 4 + ["good"] * 9
    sides = ["train"] * 10 + ["val"] * 4 + ["test"] * 3 + ["left out"] * 2
    write_table(pd.DataFrame({"split": sides, "label": labels}), made.split)
    write_champion(made.champion, NONE)
    write_cut(made.cut, Cut())
    return made


def champion(layout: Layout, **changes: Any) -> Champion:
    """A release of this network that was trained on six images, and the pointer to it."""
    folder = layout.releases / "new"
    fake_package(folder, "x")
    known = {"frozen": NETWORK.digest, "frozen_blocks": 16, "trained_on": {"good": 4, "pit": 2}}
    (folder / CARD).write_text(json.dumps(card(**{**known, **changes})), encoding="utf-8")
    found = Champion(version="v1.0.0", package=package_hash(folder))
    folder.rename(layout.releases / str(found.package))
    write_champion(layout.champion, found)
    return found


def with_train(**changes: Any) -> Params:
    return SETTINGS.model_copy(update={"train": SETTINGS.train.model_copy(update=changes)})


def test_the_first_model_has_nothing_to_go_on_from(layout: Layout) -> None:
    assert work(layout, SETTINGS, NETWORK) == Work(train=10, val=4, blocks=18)


def test_one_may_go_on_from_a_champion_of_the_same_network_that_saw_fewer_images(layout: Layout) -> None:
    found = champion(layout)
    assert work(layout, SETTINGS, NETWORK) == Work(10, 4, 18, found, 16, pytest.approx(0.4))


@pytest.mark.parametrize(("before", "new"), [({"good": 40, "pit": 2}, 0.2), ({"good": 40, "pit": 4}, 0.0), ({}, 1.0)])
def test_what_is_new_is_counted_class_by_class(layout: Layout, before: dict[str, int], new: float) -> None:
    champion(layout, trained_on=before)
    assert work(layout, SETTINGS, NETWORK).new_share == pytest.approx(new)


def test_a_class_that_was_renamed_since_is_not_new_and_the_plan_says_its_name_of_now(layout: Layout) -> None:
    cut = SETTINGS.train.frozen_of(18)
    found = champion(layout, classes=["good", "scratch"], trained_on={"good": 4, "scratch": 2}, frozen_blocks=cut)
    ledger.append(layout, "class-rename", "Ute", [{"old": "scratch", "new": "pit"}])
    head = ledger.head(layout)
    write_cut(layout.cut, Cut(events=head.events, digest=head.digest))
    assert work(layout, SETTINGS, NETWORK) == Work(10, 4, 18, found, cut, pytest.approx(0.4), {"scratch": "pit"})
    made = plan(work(layout, SETTINGS, NETWORK), with_train(depth="tail", minutes=0).train, 1, None)
    assert (made.champion, made.renamed) == (found, {"scratch": "pit"})


def test_a_champion_of_this_very_split_is_not_gone_on_from(layout: Layout) -> None:
    """Reproducing a model gives the same one, whether it is live by now or not."""
    champion(layout, data=digest(layout.split))
    assert work(layout, SETTINGS, NETWORK) == Work(10, 4, 18)


def test_what_a_champion_of_this_very_split_went_on_from_is_gone_on_from_again(layout: Layout) -> None:
    first = champion(layout)
    champion(layout, data=digest(layout.split), from_version=first.version, from_package=first.package)
    assert work(layout, SETTINGS, NETWORK) == Work(10, 4, 18, first, 16, pytest.approx(0.4))


@pytest.mark.parametrize("other", [{"frozen": "e" * 64}, {"grid": 2}, {"depth": "head"}, {"depth": "scratch"}])
def test_a_champion_of_another_network_or_that_tuned_nothing_is_not_gone_on_from(
    layout: Layout, other: dict[str, Any]
) -> None:
    champion(layout, **other)
    assert work(layout, SETTINGS, NETWORK) == Work(10, 4, 18)


def test_one_does_not_go_on_where_params_forbid_it(layout: Layout) -> None:
    champion(layout)
    assert work(layout, with_train(warm_start=False), NETWORK) == Work(10, 4, 18)


def test_a_champion_that_is_not_here_is_said_with_the_remedy(layout: Layout) -> None:
    found = champion(layout)
    (layout.releases / str(found.package)).rename(layout.releases / "elsewhere")
    with pytest.raises(FetchData, match=r"v1\.0\.0 is not on this disk: run `dvc pull`, or `dvc get"):
        work(layout, SETTINGS, NETWORK)


def test_a_plan_in_a_line() -> None:
    made = Plan(depth="tail", frozen_blocks=16, views=4, epochs=8, champion=NONE, seconds=None, why=())
    assert in_short(made) == "tail, 16 blocks frozen, 4 views, 8 epochs"
    assert in_short(made.model_copy(update={"seconds": 61.4})).endswith("8 epochs, about 61 s")
    head = made.model_copy(update={"depth": "head", "frozen_blocks": 18, "views": 1})
    assert in_short(head) == "head, all blocks frozen"
