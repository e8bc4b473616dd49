"""How a model will be trained: how deep, on how many views, for how long. Made once, locked by DVC; training obeys it
and never reads a clock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

from inspection.errors import FixInput, FixSettings
from inspection.model.champion import Champion
from inspection.outside import documents
from inspection.params import Backbone, Depth, Train
from inspection.record import Record, read_json

NONE = Champion()  # to go on from
SHORTEST = 2  # epochs that a cycle of learning rates needs at least


class Plan(Record):
    """What training does.

    Attributes:
        frozen_blocks: blocks of the network that stay as ImageNet left them; 0: none.
        views: cached views of a training image, at most.
        epochs: at most; each shows as many images as there are.
        champion: the release whose tuned blocks training goes on from; empty: ImageNet's.
        renamed: class that the champion knows by another name -> what it is called now.
        seconds: that it should take with nothing cached, by the committed unit costs; None: there are none.
        why: the reasons, in words.
    """

    depth: Depth
    frozen_blocks: int
    views: int
    epochs: int
    champion: Champion
    renamed: Mapping[str, str] = {}
    seconds: float | None
    why: tuple[str, ...]


class UnitCosts(Record):
    """Milliseconds an image, on the machine that they were measured on, for a cut behind 0, 1, 2 ... blocks.

    Attributes:
        frozen: reading a picture and running the blocks before the cut.
        tuned: training the blocks behind it: forwards, backwards and the optimiser's step.
        judged: running the blocks behind it.
    """

    frozen: tuple[float, ...]
    tuned: tuple[float, ...]
    judged: tuple[float, ...]

    def times(self, tiles: int) -> "UnitCosts":
        """Of pictures in so many tiles."""
        rows = (tuple(tiles * value for value in row) for row in (self.frozen, self.tuned, self.judged))
        return UnitCosts(**dict(zip(("frozen", "tuned", "judged"), rows, strict=True)))


@dataclass(frozen=True)
class Work:
    """What there is to learn from: images to train on and to validate on, and blocks of the network; the champion that
    one may go on from, how many blocks it left frozen, the share of the training images that are new to it, and its
    classes that were renamed since."""

    train: int
    val: int
    blocks: int
    champion: Champion = NONE
    champion_frozen: int = 0
    new_share: float = 1.0
    champion_renamed: Mapping[str, str] = field(default_factory=dict)


def read_plan(path: Path) -> Plan:
    """Raises FixInput when the file is none."""
    return read_json(Plan, path, FixInput(f"{path} is no plan: run `dvc repro plan`."))


def read_costs(path: Path, settings: Backbone) -> UnitCosts | None:
    """The unit costs of a network on squares of that size, for all tiles of a picture; None: they were not measured.

    Raises:
        FixSettings: the file is damaged.
    """
    try:
        networks = documents.json_file(path)["networks"]
        measured = networks.get(f"{settings.name}-{settings.image_size}")
        return None if measured is None else UnitCosts.model_validate(measured).times(settings.grid**2)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise FixSettings(f"{path} holds no unit costs: restore it with git.") from None


def plan(work: Work, settings: Train, views: int, costs: UnitCosts | None) -> Plan:
    """The most thorough training that params.yaml asks for and that fits into `train.minutes`."""
    wished = _wished(work, settings, views)
    if not settings.minutes:
        return _timed(wished, work, costs)
    if costs is None:
        words = (
            "train.minutes was not heeded: this network has no unit costs (measure them: python -m benchmarks.costs)"
        )
        return wished.model_copy(update={"why": (*wished.why, words)})
    cold = _wished(replace(work, champion=NONE), settings, views)
    choices = [_timed(one, work, costs) for one in _cheaper(wished, cold, work.blocks)]
    fitting = [one for one in choices if (one.seconds or 0) <= 60 * settings.minutes]
    chosen = fitting[0] if fitting else min(choices, key=lambda one: one.seconds or 0)
    words = f"{(chosen.seconds or 0) / 60:.1f} minutes of the {settings.minutes:g} that train.minutes allows"
    if not fitting:
        words = f"even the shortest takes {(chosen.seconds or 0) / 60:.1f} minutes, {settings.minutes:g} are allowed"
    return chosen.model_copy(update={"why": (*chosen.why, words)})


def _wished(work: Work, settings: Train, views: int) -> Plan:
    depth, why = _depth(work, settings)
    frozen = {"head": work.blocks, "tail": settings.frozen_of(work.blocks)}.get(depth, 0)
    steps = max(1, ceil(work.train / settings.batch_size))  # of an epoch
    epochs, champion = max(settings.epochs, ceil(settings.min_steps / steps)), NONE
    if epochs > settings.epochs and depth != "head":
        why += (f"{epochs} epochs instead of {settings.epochs}, for so few images make few steps (train.min_steps)",)
    if work.champion.package and depth in ("tail", "full") and frozen == work.champion_frozen:
        champion = work.champion
        epochs = min(epochs, max(SHORTEST, round(epochs * (_WARM + work.new_share))))
        why += (
            f"it goes on from the champion, {100 * work.new_share:.0f} % of the images are new to it: {epochs} epochs",
        )
    return Plan(
        depth=depth,
        frozen_blocks=frozen,
        views=1 if depth == "head" else views,
        epochs=epochs,
        champion=champion,
        renamed=work.champion_renamed if champion.package else {},
        seconds=None,
        why=why,
    )


_FEW = 60  # images below which only a head is trained
_WARM = 0.15  # of the epochs, that going on takes beside the share of new images


def _depth(work: Work, settings: Train) -> tuple[Depth, tuple[str, ...]]:
    if settings.depth == "auto" and work.train < _FEW:
        return "head", (f"only {work.train} training images: more than a head would learn them by heart",)
    if settings.depth in ("auto", "tail") and not settings.frozen_of(work.blocks):
        return "full", (f"the network has {work.blocks} blocks, train.tuned_blocks asks for all of them",)
    if settings.depth != "auto":
        return settings.depth, (f"train.depth asks for {settings.depth}",)
    return "tail", (f"{work.train} training images: the blocks behind the cut are tuned, if validation gains by it",)


def _cheaper(wished: Plan, cold: Plan, blocks: int) -> Iterator[Plan]:
    """The plan, then ones that cost less and less: fewer epochs, then fewer views, then a later cut, which has no
    champion to go on from, so that its epochs are those of the plan without one, `cold`."""
    for share in (1, 0.75, 0.5):
        yield (least := wished.model_copy(update={"epochs": _shorter(wished.epochs, share)}))
    for views in (4, 2, 1):
        if views < wished.views:
            yield (least := least.model_copy(update={"views": views}))
    if wished.depth == "scratch":
        return
    why = (*wished.why[:1], "a later cut, for the time allowed")
    fresh = cold.model_copy(update={"views": least.views, "epochs": _shorter(cold.epochs, 0.5), "why": why})
    for frozen in range(wished.frozen_blocks + 1, blocks + 1):
        depth: Depth = "head" if frozen == blocks else "tail"
        yield fresh.model_copy(update={"depth": depth, "frozen_blocks": frozen})


def _shorter(epochs: int, share: float) -> int:
    return max(min(epochs, SHORTEST), round(epochs * share))


def _timed(one: Plan, work: Work, costs: UnitCosts | None) -> Plan:
    if costs is None:
        return one
    cut = one.frozen_blocks
    once = (work.train * one.views + work.val) * costs.frozen[cut]
    epoch = 0.0 if one.depth == "head" else work.train * costs.tuned[cut] + work.val * costs.judged[cut]
    return one.model_copy(update={"seconds": round((once + one.epochs * epoch) / 1000, 1)})
