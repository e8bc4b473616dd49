"""The plan, train + val -> candidate package, and what pretraining gave it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from inspect import getsource
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from inspection import fingerprint
from inspection.layout import Layout
from inspection.model import epochs, package, transfer
from inspection.model.calibration import Calibrated, calibrated, judged, report, threshold
from inspection.model.candidate import card
from inspection.model.champion import champion_package
from inspection.model.head import grown
from inspection.model.package import WEIGHTS
from inspection.model.plan import Plan, read_plan
from inspection.model.probe import baseline
from inspection.model.prototypes import before_prototypes, prototyped
from inspection.model.sets import Sets, sets
from inspection.model.tail import Tail
from inspection.model.training import Learned, Start, Told, learn
from inspection.model.tuning import CPU, Checkpoint, Tuning, best_device
from inspection.network.activations import Activations
from inspection.network.backbone import Network, blank, network
from inspection.network.features import Features
from inspection.network.frozen import frozen_graph
from inspection.network.masks import read_masks
from inspection.network.weights import weights
from inspection.params import Params, Train, Verdict, read_params
from inspection.progress import curve, progress
from inspection.records import batches
from inspection.tables import read_table


def main() -> None:
    layout = Layout.find()
    settings, plan = read_params(layout.params), read_plan(layout.plan)
    features, masks = Features(layout, settings, plan.frozen_blocks), read_masks(layout.masks)
    taught = sets(read_table(layout.split), read_table(layout.features), features, masks, settings, layout.home)
    champion, device = _champion(layout, plan), best_device()
    bf16 = features.precision == "bf16" if device == CPU else _bf16_on_cuda(settings.features.precision)
    note = partial(epochs.note, layout.state)
    kept = Checkpoint(layout.state / "checkpoints", _key(layout, settings, plan, features, bf16, device), note)
    torch.manual_seed(settings.train.seed)
    with _followed(layout.reports / "training", plan.epochs) as told:
        net = _network(layout, settings, plan)
        learned = learn(taught.train, taught.val, net, plan, settings.train, bf16, champion, told, kept, device)
    graph = frozen_graph(settings.backbone, layout).path
    plain = card(learned, taught, champion, plan, settings, batches.digest(layout.split))
    found = calibrated(plain, graph, learned.tail, taught, settings)
    package.build(layout.candidate, graph, learned.tail, taught.example, found.on(plain), masks)
    result = summary(learned, found, taught, settings.verdict)
    (layout.reports / "train.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    moved = _transferred(learned, net, plan, taught, settings.train, layout)
    features.close()
    kept.clear()
    print(in_short(result, f"{'bf16' if bf16 else 'f32'} on {device}"))
    print(*(f"  {words}" for words in moved), sep="\n")


def summary(learned: Learned, found: Calibrated, taught: Sets, verdict: Verdict) -> dict[str, Any]:
    """What came of it on validation, and what a logistic regression on the frozen features does there."""
    probed = learned.probe.predict_proba(taught.val.embeddings)
    baseline_rows = judged(taught.val.table, probed, taught.classes, taught.acceptable)
    return {
        "depth": learned.depth,
        "why": learned.why,
        "epoch": learned.epoch,
        "epochs": len(learned.history),
        "temperature": found.temperature,
        "threshold": found.threshold,
        "val": report(found.rows, found.threshold, taught.classes, verdict),
        "baseline_val": report(baseline_rows, threshold(baseline_rows, verdict), taught.classes, verdict),
    }


def in_short(result: Mapping[str, Any], computed: str) -> str:
    """The summary in a sentence; `computed`: in what precision, and on what."""
    epoch = f"best epoch {result['epoch']} of {result['epochs']}" if result["epoch"] else "nothing tuned"
    return (
        f"{result['depth']}: {epoch}, {computed}; validation macro-F1 {result['val']['macro_f1']:.3f}, "
        f"logistic regression on frozen features {result['baseline_val']['macro_f1']:.3f}"
    )


@contextmanager
def _followed(folder: Path, total: int) -> Iterator[Told]:
    """What is to be told of each epoch: its figures go into DVCLive's plots in `folder` and to the progress bar."""
    from dvclive.live import Live

    losses: list[float] = []
    with (
        Live(str(folder), save_dvc_exp=False, dvcyaml=None, monitor_system=False) as live,
        progress("training", total) as advance,
    ):

        def told(epoch: Mapping[str, float]) -> None:
            for name in ("train_loss", "val_loss", "val_recall"):
                live.log_metric(name, epoch[name])
            live.next_step()
            losses.append(epoch["val_loss"])
            advance(1, f"validation loss {losses[-1]:.3f} {curve(losses)} recall {100 * epoch['val_recall']:.0f} %")

        yield told


def _transferred(
    learned: Learned, net: Network, plan: Plan, taught: Sets, settings: Train, layout: Layout
) -> list[str]:
    """Writes what pretraining gave and what tuning changed; in words, why the model is as deep as it is."""
    blocks = transfer.blocks(net, learned.tail, plan.frozen_blocks, taught.val)
    scores = transfer.unseen((taught.train, taught.val), settings)
    why = list(transfer.reason(blocks, learned.why))
    content = {"depth": learned.depth, "why": why, "blocks": [asdict(row) for row in blocks], "left_out": scores}
    (layout.reports / "transfer.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    frozen = "all" if learned.depth == "head" else f"the first {plan.frozen_blocks} of"
    title = f"{learned.depth}: {frozen} {len(blocks)} blocks stayed frozen"
    transfer.drawn(blocks, scores, title, layout.reports / "transfer.png")
    return why


def _network(layout: Layout, settings: Params, plan: Plan) -> Network:
    if plan.depth == "scratch":
        return blank(settings.backbone, settings.train.seed)
    return network(settings.backbone, weights(settings.backbone, layout)[0])


def _bf16_on_cuda(wish: str) -> bool:
    return wish == "bf16" or (wish == "auto" and torch.cuda.is_bf16_supported(including_emulation=False))


def _champion(layout: Layout, plan: Plan) -> Start | None:
    if not plan.champion.package:
        return None
    folder = champion_package(layout, plan.champion)
    known = package.Package(folder).card
    start = Start(*before_prototypes(load_file(folder / WEIGHTS), known.classes), known.trained_on)
    return start.under(plan.renamed)


def _key(layout: Layout, settings: Params, plan: Plan, features: Features, bf16: bool, device: torch.device) -> str:
    """Names a training by all that it depends on, torch and the code that it runs included."""
    parts = (settings.train.model_dump_json(), plan.model_dump_json(), batches.digest(layout.split), features.digest)
    used = (Activations, Tail, Tuning, baseline, grown, prototyped, learn, sets)
    code = [getsource(sys.modules[one.__module__]) for one in used]
    more = (batches.digest(layout.features), f"bf16 {bf16}", torch.__version__, str(device), *code)
    return sha256("\n".join((*parts, *more)).encode()).hexdigest()


if __name__ == "__main__":
    fingerprint.run("train", main)
