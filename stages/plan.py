"""What there is to learn, the unit costs and params.yaml -> the plan that training obeys."""

from dataclasses import replace

from inspection import backbone
from inspection.batches import digest
from inspection.champion import champion_package, read_champion
from inspection.errors import in_words
from inspection.files import write
from inspection.layout import Layout
from inspection.package import Package
from inspection.params import Params, read_params
from inspection.plan import Plan, Work, plan, read_costs
from inspection.tables import read_table


def work(layout: Layout, settings: Params, network: backbone.Frozen) -> Work:
    """What the split table gives to learn from, and the champion, where one can go on from it: it is of the same
    network and has not seen all of these images. If it has, a training from the start is the same whatever is live."""
    table, champion = read_table(layout.split), read_champion(layout.champion)
    train, val = (int((table["split"] == side).sum()) for side in ("train", "val"))
    fresh = Work(train, val, network.blocks)
    if not champion.package or not settings.train.warm_start:
        return fresh
    card = Package(champion_package(layout, champion)).card
    same_network = (card.frozen, card.grid) == (network.digest, settings.backbone.grid)
    if not same_network or card.data == digest(layout.split):
        return fresh
    known = min(1.0, sum(card.trained_on.values()) / max(train, 1))
    return replace(fresh, champion=champion, champion_frozen=card.frozen_blocks, new_share=1 - known)


def in_short(made: Plan) -> str:
    """The plan in a line."""
    parts = [made.depth, f"{made.frozen_blocks} blocks frozen", f"{made.views} views", f"{made.epochs} epochs"]
    if made.seconds is not None:
        parts.append(f"about {made.seconds:.0f} s")
    return ", ".join(parts)


def main() -> None:
    layout = Layout.find()
    settings = read_params(layout.params)
    network = backbone.frozen(settings.backbone, layout)
    costs = read_costs(layout.costs, settings.backbone)
    made = plan(work(layout, settings, network), settings.train, settings.embed.views, costs)
    write(layout.plan, made.model_dump_json(indent=2) + "\n")
    print(in_short(made))
    for words in made.why:
        print(f"  {words}")


if __name__ == "__main__":
    in_words(main)
