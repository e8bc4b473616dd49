"""The plan obeyed, by a network of three blocks on pictures of 6 x 6 pixels drawn by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from inspection.model.champion import Champion
from inspection.model.plan import NONE, Plan
from inspection.model.prototypes import before_prototypes
from inspection.model.training import Learned, Start, learn
from inspection.model.tuning import Checkpoint, class_loss, predict
from inspection.network.activations import Activations
from inspection.network.backbone import Network
from inspection.params import Train

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = Train(
    seed=3, depth="tail", tuned_blocks=1, minutes=0, warm_start=True, epochs=12, min_steps=0, patience=12,
    batch_size=16, balance=("class",), head_lr=0.01, tail_lr=0.01, weight_decay=0.0, dropout=0.0,
    label_smoothing=0.0, averaging=0.0, baseline_c=1.0, min_labels=1, min_parts=1,
)  # fmt: skip


CLASSES = ("good", "pit", "stripe")
BLOCKS, WIDTH = 3, 8
FAINT = {"head_lr": 1e-9, "tail_lr": 1e-9}  # learning rates at which nothing moves


def block(inside: int, outside: int, *end: torch.nn.Module) -> torch.nn.Module:
    norm = torch.nn.BatchNorm2d(outside)
    torch.nn.init.uniform_(norm.running_mean, -0.1, 0.1)
    return torch.nn.Sequential(torch.nn.Conv2d(inside, outside, 3, padding=1), norm, torch.nn.ReLU(), *end).eval()


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    pool = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return Network((block(1, 4), block(4, 6), block(6, WIDTH, *pool)), WIDTH, (0.5,), (0.5,))


class Drawn:
    """In the place of `Features`: pictures drawn by hand, as `net` sees them behind its first `cut` blocks."""

    def __init__(self, net: Network, cut: int) -> None:
        self.net, self.cut, self.grid = net, cut, 1
        self.frozen_blocks = 1  # so that it is asked for pixels, too

    def activation(self, image: str, view: str) -> NDArray[np.float16]:
        label, number = image.split("/", maxsplit=1)[0].split("-")
        picture = pictured(label, int(number))
        with torch.inference_mode():
            behind = torch.nn.Sequential(*self.net.blocks[: self.cut])(torch.from_numpy(picture[None]))
        return behind[0].numpy().astype(np.float16)

    def compute(self, images: object, embed: bool) -> tuple[list[NDArray[np.float16]], list[None]]:
        raise AssertionError("all of them are in the store")

    def embedding(self, image: str) -> NDArray[np.float32]:
        with torch.inference_mode():
            activation = torch.from_numpy(self.activation(image, "identity")[None]).float()
            said: NDArray[np.float32] = self.net.tail(self.cut)(activation)[0].numpy()
        return said


def pictured(label: str, seed: int) -> NDArray[np.float32]:
    """(1, 6, 6): noise; with a dark spot, or with a bright stripe."""
    rng = np.random.default_rng((seed, *label.encode()))
    picture = rng.normal(0, 0.4, (1, 6, 6)).astype(np.float32)
    row, column = rng.integers(0, 5, 2)
    if label == "pit":
        picture[0, row : row + 2, column : column + 2] -= 2
    if label == "stripe":
        picture[0, row] += 2
    return picture


def drawn(net: Network, frozen_blocks: int, classes: tuple[str, ...], first: int, each: int) -> Activations:
    rows = [
        {
            "image_id": f"{label}-{first + number}",
            "label": label,
            "black": 0,
            "white": 255,
            "camera": "cam-1",
            "part": "nut",
            "serial": f"{label}-{number}",
            "captured_at": pd.Timestamp("2026-11-02T06:00Z"),
        }
        for number in range(each)
        for label in classes
    ]
    return Activations(pd.DataFrame(rows), classes, Drawn(net, frozen_blocks), Path(), 40)  # type: ignore[arg-type]


def planned(depth: str, frozen_blocks: int, champion: Champion = NONE) -> Plan:
    return Plan.model_validate(
        {
            "depth": depth,
            "frozen_blocks": frozen_blocks,
            "views": 1,
            "epochs": SETTINGS.epochs,
            "champion": champion,
            "seconds": None,
            "why": ("because",),
        }
    )


def learned(
    depth: str = "tail",
    frozen_blocks: int = 1,
    net: Network | None = None,
    classes: tuple[str, ...] = CLASSES,
    champion: Start | None = None,
    kept: Checkpoint | None = None,
    told: Any = lambda _: None,
    asked: str = "",
    **changes: Any,
) -> Learned:
    """What came of a plan; `train.depth` asked for the same unless told."""
    net = net or network()
    sets = (drawn(net, frozen_blocks, classes, first, each) for first, each in ((0, 30), (100, 15)))
    torch.manual_seed(SETTINGS.seed)
    settings = SETTINGS.model_copy(update={"depth": asked or depth, **changes})
    return learn(*sets, net, planned(depth, frozen_blocks), settings, False, champion, told, kept)


def val(frozen_blocks: int, classes: tuple[str, ...] = CLASSES) -> Activations:
    return drawn(network(), frozen_blocks, classes, 100, 15)


def right(found: Learned, frozen_blocks: int = 1) -> dict[str, float]:
    """Recall of each class on the validation images."""
    logits, labels = predict(found.tail, val(frozen_blocks).plain(16))
    return {name: float((logits.argmax(1) == i)[labels == i].float().mean()) for i, name in enumerate(CLASSES)}


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], within: float = 0.0) -> bool:
    pairs = zip(one.values(), other.values(), strict=True)
    return all(torch.allclose(a.float(), b.float(), rtol=0, atol=within) for a, b in pairs)


def test_a_head_is_the_probe_and_nothing_is_tuned() -> None:
    net = network()
    before = weights(net.tail(0))
    told: list[object] = []
    found = learned("head", BLOCKS, net, told=told.append)
    assert (found.depth, found.epoch, found.history, found.why) == ("head", 0, (), ("because",)) and not told
    assert len(found.tail.blocks) == 0 and same(weights(net.tail(0)), before)
    values = val(BLOCKS)
    said, expected = torch.softmax(found.logits, 1), found.probe.predict_proba(values.embeddings)
    assert np.abs(said.numpy() - expected).max() < 1e-4
    assert torch.equal(found.logits, predict(found.tail, values.plain(16))[0])


@pytest.mark.parametrize("frozen_blocks", [1, 2])
def test_a_tail_learns_more_than_the_probe_and_leaves_the_pretrained_network_as_it_is(frozen_blocks: int) -> None:
    net, told = network(), []
    before = weights(net.tail(0))
    found, probed = learned("tail", frozen_blocks, net, told=told.append), learned("head", BLOCKS)
    assert same(weights(net.tail(0)), before)
    assert found.depth == "tail" and found.epoch >= 7 and tuple(told) == found.history and len(told) == 12
    assert len(found.tail.blocks) == BLOCKS - frozen_blocks
    labels = torch.tensor(val(1).labels)
    assert class_loss(found.logits, labels) < class_loss(probed.logits, labels)
    assert torch.equal(found.logits, predict(found.tail, val(frozen_blocks).plain(16))[0])
    assert found.probe.predict_proba(val(BLOCKS).embeddings) == pytest.approx(
        probed.probe.predict_proba(val(BLOCKS).embeddings), abs=0.02
    )


def statistics(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in weights(module).items() if "running" in name}


def test_norms_keep_the_statistics_of_the_pretrained_network_as_long_as_a_block_is_frozen() -> None:
    net = network()
    tail, full = learned("tail", 1, net), learned("full", 0, net)
    assert same(statistics(torch.nn.Sequential(*tail.tail.blocks)), statistics(net.tail(1)))
    assert not same(statistics(torch.nn.Sequential(*full.tail.blocks)), statistics(net.tail(0)))


def test_tuning_starts_from_the_probe_s_head_and_from_scratch_from_one_drawn_at_random() -> None:
    heads = {depth: learned(depth, 0, **FAINT).tail.head.weight.detach() for depth in ("full", "scratch")}
    probe = learned("head", BLOCKS).tail.head.weight.detach()
    assert torch.allclose(heads["full"], probe, atol=0.05 * float(probe.abs().max()))
    assert not torch.allclose(heads["scratch"], probe, atol=0.2 * float(probe.abs().max()))
    assert float(heads["scratch"].abs().max()) <= WIDTH**-0.5


def test_the_same_training_gives_the_same_weights_and_may_be_killed(tmp_path: Path) -> None:
    whole = learned(dropout=0.3, averaging=0.5)
    assert same(weights(whole.tail), weights(learned(dropout=0.3, averaging=0.5).tail))
    kept = Checkpoint(tmp_path, "key")

    def told(epoch: Mapping[str, float]) -> None:
        if epoch["epoch"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(dropout=0.3, averaging=0.5, kept=kept, told=told)
    assert (kept.read() or {})["epoch"] == 3
    again = learned(dropout=0.3, averaging=0.5, kept=kept)
    assert same(weights(again.tail), weights(whole.tail)) and again.history == whole.history


def test_auto_keeps_what_was_tuned_where_validation_gains_by_it_and_says_so() -> None:
    found, plain = learned(), learned(asked="auto")
    assert plain.depth == "tail" and plain.epoch == found.epoch and same(weights(plain.tail), weights(found.tail))
    because, words = plain.why
    assert because == "because" and words.startswith("tuning brought the validation loss from ")
    assert words.endswith(" and was kept")
    before, after = (float(word) for word in words.split() if word[0].isdigit())
    assert after < before


def test_auto_keeps_the_head_alone_where_tuning_makes_it_worse_and_says_so() -> None:
    absurd = {"tail_lr": 30.0, "head_lr": 30.0}
    found, asked = learned(asked="auto", **absurd), learned(**absurd)
    assert (found.depth, found.epoch, len(found.history)) == ("head", 0, SETTINGS.epochs)
    assert found.why[-1].endswith(" and was not kept: a new head alone does better")
    assert same(weights(torch.nn.Sequential(*found.tail.blocks)), weights(network().tail(1)))
    assert torch.equal(found.logits, predict(found.tail, val(1).plain(16))[0])
    probed = learned("head", BLOCKS)
    assert torch.allclose(torch.softmax(found.logits, 1), torch.softmax(probed.logits, 1), atol=0.02)
    assert asked.depth == "tail" and asked.why == ("because",)  # what is asked for is not talked about


# Going on from the champion


def knows_two() -> tuple[Start, Learned]:
    """A model that knows two of the three classes, in another order than they stand now."""
    classes = ("stripe", "good")
    found = learned("tail", 1, classes=classes)
    return Start(found.tail.state_dict(), classes), found


@pytest.fixture(scope="module")
def champion() -> tuple[Start, Learned]:
    return knows_two()


def test_with_the_same_classes_one_goes_on_with_the_champion_s_head(champion: tuple[Start, Learned]) -> None:
    start, before = champion
    found = learned("tail", 1, classes=start.classes, champion=start, **FAINT)
    assert torch.allclose(found.logits, before.logits, atol=1e-4)
    swapped = learned("tail", 1, classes=("good", "stripe"), champion=start, **FAINT)
    logits = predict(swapped.tail, val(1, start.classes).plain(16))[0]
    assert torch.allclose(logits.flip(1), before.logits, atol=1e-4)


def test_one_goes_on_from_the_champion_s_blocks(champion: tuple[Start, Learned]) -> None:
    start, before = champion
    net = network()
    found = learned("tail", 1, net, champion=start, **FAINT)
    ours, theirs = (weights(torch.nn.Sequential(*one.tail.blocks)) for one in (found, before))
    assert same(ours, theirs, within=1e-6) and not same(ours, weights(net.tail(1)), within=1e-3)
    assert same(weights(net.tail(0)), weights(network().tail(0)))


@pytest.mark.parametrize("rates", [FAINT, {}])
def test_a_class_that_the_champion_did_not_know_gets_an_output_that_works(
    champion: tuple[Start, Learned], rates: dict[str, float]
) -> None:
    found = learned("tail", 1, champion=champion[0], **rates)
    assert found.logits.shape == (45, 3) and min(right(found).values()) >= 0.6, right(found)
    assert right(found)["pit"] >= 0.8


def test_what_the_champion_knew_is_told_apart_as_before_beside_a_class_that_it_did_not_know(
    champion: tuple[Start, Learned],
) -> None:
    start, before = champion
    found = learned("tail", 1, champion=start, **FAINT)
    shown = val(1, start.classes)
    old, now = (predict(one.tail, shown.plain(16))[0] for one in (before, found))
    assert torch.allclose(now[:, [CLASSES.index(name) for name in start.classes]], old, atol=1e-4)


def test_what_is_gone_on_with_is_kept_only_if_it_is_better_than_what_it_went_on_from(
    champion: tuple[Start, Learned],
) -> None:
    start, before = champion
    found = learned("tail", 1, classes=start.classes, champion=start, asked="auto", tail_lr=30.0, head_lr=30.0)
    assert (found.depth, found.epoch) == ("tail", 0) and same(weights(found.tail), weights(before.tail))
    assert found.why[-1].endswith(" and was not kept: the champion's network as it was does better")
    more = learned("tail", 1, champion=start, asked="auto")  # a class more
    assert more.epoch > 0 and more.why[-1].endswith(" and was kept")


def test_a_new_class_that_validation_does_not_show_gets_an_output_and_nothing_is_tuned(
    champion: tuple[Start, Learned],
) -> None:
    start, before = champion
    net, told = network(), []
    sets = drawn(net, 1, CLASSES, 0, 30), drawn(net, 1, start.classes, 100, 15)
    shown = Activations(sets[1].table, CLASSES, Drawn(net, 1), Path(), 40)  # type: ignore[arg-type]
    settings = SETTINGS.model_copy(update={"depth": "auto"})
    found = learn(sets[0], shown, net, planned("tail", 1), settings, False, start, told.append)
    assert (found.depth, found.epoch, found.history, told) == ("tail", 0, (), [])
    assert found.why[-1].startswith("no validation picture shows pit, so")
    blocks = [weights(torch.nn.Sequential(*one.tail.blocks)) for one in (found, before)]
    assert same(*blocks) and right(found)["pit"] >= 0.8
    assert torch.equal(found.logits, predict(found.tail, shown.plain(16))[0])


def test_one_goes_on_from_what_a_champion_knew_before_prototypes(champion: tuple[Start, Learned]) -> None:
    start, _ = champion
    one = learned("tail", 1, champion=start, asked="auto", tail_lr=30.0, head_lr=30.0)  # tuning does not pay
    assert (one.epoch, one.depth) == (0, "tail") and right(one)["pit"] >= 0.8
    again = Start(*before_prototypes(one.tail.state_dict(), CLASSES))
    assert again.classes == ("good", "stripe")  # in the order of their names now
    two = learned("tail", 1, champion=again, asked="auto", tail_lr=30.0, head_lr=30.0)
    assert torch.allclose(two.logits, one.logits, atol=1e-4)


def test_a_champion_of_another_cut_is_never_gone_on_from_by_halves(champion: tuple[Start, Learned]) -> None:
    """The plan does not ask for it; if it did, its weights would fit no block here."""
    with pytest.raises(RuntimeError, match=r"size mismatch|Unexpected"):
        learned("tail", 2, champion=champion[0])
