import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import FixInput, FixSettings
from inspection.model.champion import Champion
from inspection.model.plan import NONE, SHORTEST, Plan, UnitCosts, Work, plan, read_costs, read_plan
from inspection.params import Backbone, Train, read_params
from tests.conftest import ROOT

TRAIN = read_params(ROOT / "params.yaml").train
BLOCKS = 6
WORK = Work(train=500, val=100, blocks=BLOCKS)
CHAMPION = Champion(version="v1.0.0", package="c" * 64)
# Frozen blocks cost more the more there are, the others less: 10, 14, ... and 45, 39, ... milliseconds an image.
COSTS = UnitCosts(
    frozen=tuple(10 + 4 * cut for cut in range(BLOCKS + 1)),
    tuned=tuple(45 - 6 * cut for cut in range(BLOCKS + 1)),
    judged=tuple(15 - 2 * cut for cut in range(BLOCKS + 1)),
)


def settings(**changes: Any) -> Train:
    known = {
        "depth": "auto",
        "tuned_blocks": BLOCKS - 4,
        "minutes": 0.0,
        "warm_start": True,
        "epochs": 8,
        "min_steps": 0,
    }
    return TRAIN.model_copy(update={**known, **changes})


def seconds(made: Plan, work: Work = WORK) -> float:
    """What the unit costs say of a plan: each view once through the frozen blocks, then a tail's epochs."""
    cut = made.frozen_blocks
    once = (work.train * made.views + work.val) * COSTS.frozen[cut]
    epochs = 0 if cut == BLOCKS else made.epochs  # a head is solved for
    return (once + epochs * (work.train * COSTS.tuned[cut] + work.val * COSTS.judged[cut])) / 1000


@pytest.mark.parametrize(
    ("depth", "frozen", "views"), [("head", BLOCKS, 1), ("tail", 4, 5), ("full", 0, 5), ("scratch", 0, 5)]
)
def test_the_depth_is_the_one_that_is_asked_for(depth: str, frozen: int, views: int) -> None:
    for images in (20, 5000):
        made = plan(Work(train=images, val=10, blocks=BLOCKS), settings(depth=depth), 5, None)
        assert (made.depth, made.frozen_blocks, made.views, made.epochs) == (depth, frozen, views, 8)
        assert made.champion == NONE and made.seconds is None
        assert made.why == (f"train.depth asks for {depth}",)


def test_with_few_images_only_a_head_is_trained_and_with_more_a_tail() -> None:
    few, enough = (plan(Work(train=n, val=10, blocks=BLOCKS), settings(), 5, None) for n in (59, 60))
    assert (few.depth, few.frozen_blocks, few.views) == ("head", BLOCKS, 1) and "only 59" in few.why[0]
    assert (enough.depth, enough.frozen_blocks, enough.views) == ("tail", 4, 5) and "60 training" in enough.why[0]


def test_the_committed_costs_say_how_long_it_takes() -> None:
    for depth in ("head", "tail", "full"):
        made = plan(WORK, settings(depth=depth), 5, COSTS)
        assert made.seconds == pytest.approx(seconds(made), abs=0.05)


# Time


def within(minutes: float, wish: Plan | None = None, **changes: Any) -> Plan:
    return plan(WORK, settings(minutes=minutes, **changes), 5, COSTS)


def shapes(plans: Sequence[Plan]) -> list[tuple[int, int, int]]:
    """Epochs, views, frozen blocks; each once."""
    return list(dict.fromkeys((one.epochs, one.views, one.frozen_blocks) for one in plans))


def test_a_shorter_time_first_takes_epochs_then_views_then_a_later_cut() -> None:
    longest = plan(WORK, settings(), 5, COSTS).seconds or 0
    chosen = shapes([within(longest * share / 1000 / 60) for share in range(1000, 0, -1)])
    assert chosen == [(8, 5, 4), (6, 5, 4), (4, 5, 4), (4, 4, 4), (4, 2, 4), (4, 1, 4), (4, 1, 5), (4, 1, 6)]


def test_what_is_chosen_fits_and_what_comes_before_it_would_not() -> None:
    order = [(8, 5, 4), (6, 5, 4), (4, 5, 4), (4, 4, 4), (4, 2, 4), (4, 1, 4), (4, 1, 5), (4, 1, 6)]
    whole = plan(WORK, settings(), 5, COSTS)
    for share in (0.9, 0.7, 0.5, 0.3):
        allowed = (whole.seconds or 0) * share
        made = within(allowed / 60)
        assert made.seconds == pytest.approx(seconds(made), abs=0.05) and seconds(made) <= allowed
        assert f"{allowed / 60:g} that train.minutes allows" in made.why[-1]
        place = order.index((made.epochs, made.views, made.frozen_blocks))
        for epochs, views, frozen in order[:place]:
            wider = made.model_copy(update={"epochs": epochs, "views": views, "frozen_blocks": frozen})
            assert seconds(wider) > allowed


def test_enough_time_changes_nothing() -> None:
    whole, made = plan(WORK, settings(), 5, COSTS), within(600)
    assert made.model_copy(update={"why": whole.why}) == whole and "600 that train.minutes allows" in made.why[-1]


def test_a_plan_at_the_last_cut_trains_a_head() -> None:
    made = within(0.0001)
    assert (made.depth, made.frozen_blocks, made.views) == ("head", BLOCKS, 1)


def test_a_time_in_which_nothing_can_be_done_is_said_and_the_shortest_is_taken() -> None:
    made = within(0.0001)
    assert made.why[-1] == f"even the shortest takes {seconds(made) / 60:.1f} minutes, 0.0001 are allowed"
    assert all(seconds(made) <= seconds(within(minutes)) for minutes in (0.1, 0.3, 1, 600))


def test_a_network_without_unit_costs_is_trained_as_long_as_it_takes_and_it_is_said() -> None:
    made = plan(WORK, settings(minutes=1), 5, None)
    assert (made.depth, made.epochs, made.views, made.seconds) == ("tail", 8, 5, None)
    assert made.why[-1].startswith("train.minutes was not heeded") and "benchmarks.costs" in made.why[-1]


@pytest.mark.parametrize("minutes", [0, 0.0001, 600])
@pytest.mark.parametrize("champion", [NONE, CHAMPION])
def test_never_more_epochs_than_params_say(minutes: float, champion: Champion) -> None:
    work = Work(train=500, val=100, blocks=BLOCKS, champion=champion, champion_frozen=4, new_share=0.1)
    assert plan(work, settings(epochs=1, minutes=minutes), 5, COSTS).epochs == 1


def test_few_images_are_shown_more_often_so_that_training_makes_its_steps() -> None:
    few, many = (Work(train=count, val=100, blocks=BLOCKS) for count in (160, 2000))
    asked = settings(min_steps=150, batch_size=32)
    assert plan(few, asked, 4, None).epochs == 30 and plan(many, asked, 4, None).epochs == 8
    assert any(words.startswith("30 epochs instead of 8") for words in plan(few, asked, 4, None).why)
    assert not any("instead of" in words for words in plan(many, asked, 4, None).why)


# Going on from the champion


def going_on(new_share: float, champion_frozen: int = 4, train: int = 500, **changes: Any) -> Plan:
    work = Work(train, 100, BLOCKS, CHAMPION, champion_frozen, new_share)
    return plan(work, settings(**changes), 5, COSTS)


def test_the_fewer_images_are_new_the_fewer_epochs_it_takes() -> None:
    epochs = [going_on(share, epochs=20).epochs for share in (0.0, 0.1, 0.3, 0.5, 0.9, 1.0)]
    assert epochs == sorted(epochs) and epochs[0] < epochs[2] < epochs[4] == 20 == epochs[5]
    assert going_on(0.0, epochs=4).epochs == SHORTEST
    made = going_on(0.1)
    assert made.champion == CHAMPION and made.frozen_blocks == 4
    assert f"10 % of the images are new to it: {made.epochs} epochs" in made.why[-1]


@pytest.mark.parametrize(
    ("champion_frozen", "changes"),
    [(3, {}), (BLOCKS, {}), (0, {}), (4, {"depth": "full"}), (0, {"depth": "scratch"}), (4, {"tuned_blocks": 1})],
)
def test_one_does_not_go_on_from_another_cut(champion_frozen: int, changes: dict[str, Any]) -> None:
    made = going_on(0.1, champion_frozen, **changes)
    assert made.champion == NONE and made.epochs == 8
    assert not any("champion" in words for words in made.why)


def test_a_network_that_was_trained_whole_is_gone_on_from_whole() -> None:
    assert going_on(0.1, 0, depth="full").champion == CHAMPION


def test_a_head_has_nothing_to_go_on_from() -> None:
    made = going_on(0.1, BLOCKS, train=20)
    assert made.depth == "head" and made.champion == NONE
    assert not any("champion" in words for words in made.why)


def test_where_time_moves_the_cut_one_does_not_go_on_from_the_champion_s_blocks() -> None:
    """Its weights belong to the blocks behind another cut."""
    short = going_on(0.1, minutes=0.0001)
    assert short.frozen_blocks == BLOCKS and short.champion == NONE
    assert not any("goes on from the champion" in words for words in short.why)
    cold = within(0.0001)
    assert short.epochs == cold.epochs > going_on(0.1).epochs / 2  # of a training that starts from ImageNet's weights


# The plan as a whole


@given(
    st.builds(
        Work,
        train=st.integers(0, 3000),
        val=st.integers(0, 500),
        blocks=st.just(BLOCKS),
        champion=st.sampled_from([NONE, CHAMPION]),
        champion_frozen=st.integers(0, BLOCKS),
        new_share=st.floats(0, 1),
    ),
    st.sampled_from(["auto", "head", "tail", "full", "scratch"]),
    st.integers(1, 20),
    st.sampled_from([0.0, 0.01, 0.5, 3.0, 100.0]),
    st.integers(2, 20),
    st.integers(1, 64),
    st.sampled_from([None, COSTS]),
)
def test_the_same_work_gives_the_same_plan_which_lies_within_what_is_allowed(
    work: Work, depth: str, tuned: int, minutes: float, epochs: int, views: int, costs: UnitCosts | None
) -> None:
    wish = settings(depth=depth, tuned_blocks=tuned, minutes=minutes, epochs=epochs)
    made = plan(work, wish, views, costs)
    assert plan(work, wish, views, costs) == made
    assert 0 <= made.frozen_blocks <= BLOCKS and 1 <= made.views <= views and SHORTEST <= made.epochs <= epochs
    assert (made.seconds is None) == (costs is None) and made.why
    if depth == "head" or made.frozen_blocks == 0:
        assert made.depth == {"head": "head", "scratch": "scratch"}.get(depth, "full")
    assert Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("tuned", [BLOCKS, 99])
def test_a_tail_of_all_blocks_is_the_whole_network(tuned: int) -> None:
    made = plan(WORK, settings(tuned_blocks=tuned), 5, None)
    assert (made.depth, made.frozen_blocks) == ("full", 0) and "asks for all" in made.why[0]


# Files


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b'{"depth": "deep"}'])
def test_a_file_that_is_no_plan_is_refused_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FixInput, match=r"plan\.json is no plan: run `dvc repro plan`"):
        read_plan(path)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = going_on(0.1, minutes=600)
    (tmp_path / "plan.json").write_text(made.model_dump_json(indent=2))
    assert read_plan(tmp_path / "plan.json") == made


def network(**changes: object) -> Backbone:
    known = {"name": "resnet18", "weights": "w.pth", "sha256": "", "image_size": 224, "grid": 1}
    return Backbone.model_validate({**known, **changes})


def test_costs_are_read_for_a_network_at_a_size_and_none_where_nothing_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({"networks": {"resnet18-224": COSTS.model_dump()}}))
    assert read_costs(path, network()) == COSTS
    assert read_costs(path, network(image_size=64)) is read_costs(path, network(name="resnet50")) is None


def test_a_picture_in_tiles_costs_as_much_as_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({"networks": {"resnet18-224": COSTS.model_dump()}}))
    four = read_costs(path, network(grid=2))
    assert four is not None and four.tuned == pytest.approx([4 * value for value in COSTS.tuned])


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b"3",
        b"null",
        b"\xff",
        b'{"networks": []}',
        b'{"networks": {"resnet18-224": 3}}',
        b'{"networks": {"resnet18-224": {"frozen": [1], "tuned": [1]}}}',
        b'{"networks": {"resnet18-224": {"frozen": ["x"], "tuned": [1], "judged": [1]}}}',
    ],
)
def test_a_file_that_holds_no_costs_is_refused_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "costs.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FixSettings, match=r"costs\.json holds no unit costs: restore it with git"):
        read_costs(path, network())


def test_the_costs_of_this_checkout_are_those_of_the_networks_they_name() -> None:
    backbone = read_params(ROOT / "params.yaml").backbone
    costs = read_costs(ROOT / "models" / "costs.json", backbone)
    if costs is not None:
        assert len(costs.frozen) == len(costs.tuned) == len(costs.judged) == 19  # 18 blocks
