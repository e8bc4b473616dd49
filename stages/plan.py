"""What there is to learn, the unit costs and params.yaml -> the plan that training obeys."""

from collections.abc import Mapping
from dataclasses import replace

from inspection import fingerprint
from inspection.files import write
from inspection.layout import Layout
from inspection.model.champion import Champion, champion_package, read_champion
from inspection.model.package import Card, Package
from inspection.model.plan import Plan, Work, plan, read_costs
from inspection.network.frozen import Frozen, frozen_graph
from inspection.params import Params, read_params
from inspection.records.batches import digest
from inspection.records.labels import in_cut, learned_as
from inspection.tables import read_table


def work(layout: Layout, settings: Params, network: Frozen) -> Work:
    """What the split table gives to learn from, and the release to go on from, where there is one: the champion, or,
    if that was trained on this very table, what it went on from, so that the same training gives the same model
    whatever is live. It must be of the same network and have tuned something that ImageNet taught."""
    table, champion = read_table(layout.split), read_champion(layout.champion)
    train, val = (table[table["split"] == side] for side in ("train", "val"))
    fresh = Work(len(train), len(val), network.blocks)
    if not settings.train.warm_start:
        return fresh
    card = _card(layout, champion)
    if card and card.data == digest(layout.split):
        champion = Champion(version=card.from_version or None, package=card.from_package or None)
        card = _card(layout, champion)
    if (
        card is None
        or card.depth in ("head", "scratch")
        or (card.frozen, card.grid) != (network.digest, settings.backbone.grid)
    ):
        return fresh
    now = learned_as(card.classes, in_cut(layout))
    before = {now.get(name, name): count for name, count in card.trained_on.items()}
    share = 1 - known(train["label"].value_counts().to_dict(), before)
    others = {name: new for name, new in now.items() if new != name}
    return replace(
        fresh, champion=champion, champion_frozen=card.frozen_blocks, new_share=share, champion_renamed=others
    )


def _card(layout: Layout, champion: Champion) -> Card | None:
    return Package(champion_package(layout, champion)).card if champion.package else None


def known(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """The share of the images of each class in `now` that may have been there `before`, when they were counted."""
    return sum(min(count, before.get(name, 0)) for name, count in now.items()) / max(sum(now.values()), 1)


def in_short(made: Plan) -> str:
    """The plan in a line."""
    parts = ["head, all blocks frozen"]
    if made.depth != "head":
        parts = [made.depth, f"{made.frozen_blocks} blocks frozen", f"{made.views} views", f"{made.epochs} epochs"]
    if made.seconds is not None:
        parts.append(f"about {made.seconds:.0f} s")
    return ", ".join(parts)


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    network = frozen_graph(settings.backbone, layout)
    costs = read_costs(layout.costs, settings.backbone)
    made = plan(work(layout, settings, network), settings.train, settings.embed.views, costs)
    write(layout.plan, made.model_dump_json(indent=2) + "\n")
    print(in_short(made))
    for words in made.why:
        print(f"  {words}")


if __name__ == "__main__":
    fingerprint.run("plan", main)
