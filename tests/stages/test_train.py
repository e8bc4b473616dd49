"""The pure parts of training: probe, head, temperature, threshold, one fit on features drawn by hand."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from inspection.errors import FixInput
from inspection.params import Train, Verdict
from stages.train import Batch, baseline, chances, fit, head_from, judged, predict, temperature, threshold

SETTINGS = Train(
    seed=3, epochs=6, patience=6, batch_size=16, head_lr=0.05, tail_lr=0.05, weight_decay=0.0, dropout=0.0,
    label_smoothing=0.0, balance=("class",), baseline_c=1.0, min_labels=1, min_parts=1,
)  # fmt: skip
VERDICT = Verdict(part="any", cost_escape=10, cost_false_reject=1)


def cloud(classes: int, n: int = 60, width: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = rng.normal(0, 2, (classes, width))
    return (centres[labels] + rng.normal(0, 1, (n, width))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_says_what_the_probe_says(classes: int) -> None:
    embeddings, labels = cloud(classes)
    probe = baseline(embeddings, labels, 1.0, 0)
    head = head_from(probe, 8, classes)
    with torch.inference_mode():
        said = torch.softmax(head(torch.from_numpy(embeddings)), 1).numpy()
    assert np.abs(said - probe.predict_proba(embeddings)).max() < 1e-4


def test_a_class_without_training_images_is_never_called() -> None:
    embeddings, labels = cloud(3)
    keep = labels != 1
    head = head_from(baseline(embeddings[keep], labels[keep], 1.0, 0), 8, 3)
    with torch.inference_mode():
        assert not (head(torch.from_numpy(embeddings)).argmax(1) == 1).any()


@pytest.mark.parametrize("heat", [0.5, 3.0])
def test_the_temperature_finds_by_what_logits_were_stretched(heat: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4000, 4) * 2
    labels = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
    assert temperature(logits * heat, labels) == pytest.approx(heat, rel=0.1)


def rows(scores: list[float], defective: list[bool]) -> pd.DataFrame:
    n = len(scores)
    return pd.DataFrame(
        {"reject_probability": scores, "acceptable": [not d for d in defective], "serial": [f"s{i}" for i in range(n)]}
    ).assign(line="A", camera="c", part="p")


def test_the_threshold_stands_in_the_widest_gap_that_separates() -> None:
    assert threshold(rows([0.05, 0.1, 0.7, 0.9], [False, False, True, True]), VERDICT) == pytest.approx(0.4)


def test_an_escape_that_costs_ten_moves_the_threshold_below_the_defect() -> None:
    scores, defective = [0.1, 0.3, 0.4, 0.5, 0.9], [False, True, False, False, True]
    assert threshold(rows(scores, defective), VERDICT) == pytest.approx(0.2)
    cheap = VERDICT.model_copy(update={"cost_escape": 0.5})
    assert threshold(rows(scores, defective), cheap) == pytest.approx(0.7)


def test_the_threshold_never_looks_at_more_than_it_is_given() -> None:
    alone = threshold(rows([0.2, 0.8], [False, True]), VERDICT)
    assert 0 < alone < 1


class Points:
    """Activations drawn by hand, in the place of the feature store."""

    def __init__(self, seed: int, broken: bool = False) -> None:
        values, self.labels = cloud(3, 90, seed=seed)
        self.values = torch.from_numpy(np.full_like(values, np.nan) if broken else values)

    def plain(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.labels), size):
            yield self.values[start : start + size], torch.from_numpy(self.labels[start : start + size])

    def balanced(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(len(self.labels), generator=generator)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            yield self.values[some], torch.from_numpy(self.labels)[some]


def tail() -> torch.nn.Sequential:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 3))


def fitted(train: Points, val: Points) -> tuple[torch.nn.Module, list[float]]:
    told: list[float] = []
    learned = fit(tail(), train, val, SETTINGS, False, lambda epoch: told.append(epoch["val_loss"]))  # type: ignore[arg-type]
    return learned.tail, told


def test_fitting_learns_keeps_the_best_epoch_and_repeats_itself() -> None:
    train, val = Points(0), Points(0)
    first, losses = fitted(train, val)
    second, _ = fitted(train, val)
    logits, labels = predict(first, val.plain(16))
    assert (logits.argmax(1) == labels).float().mean() > 0.9
    assert len(losses) == SETTINGS.epochs
    assert losses[-1] < losses[0]
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_loss_that_is_no_number_is_said_with_the_remedy() -> None:
    with pytest.raises(FixInput, match="tail_lr"):
        fitted(Points(0, broken=True), Points(0))


def test_the_reject_probability_is_that_of_the_classes_that_may_not_pass() -> None:
    table = pd.DataFrame({"label": ["good", "pit"]})
    said = judged(
        table, np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]]), ("good", "pit", "stain"), np.array([True, False, True])
    )
    assert list(said["reject_probability"]) == [0.1, 0.5]
    assert list(said["predicted"]) == ["good", "pit"]
    assert list(said["predicted_acceptable"]) == [True, False]
    assert list(said["p_label"]) == [0.7, 0.5]


def drawn() -> pd.DataFrame:
    """Six good images of two parts, one pit; a part of five images beside a part of one."""
    return pd.DataFrame(
        {
            "label": ["good"] * 6 + ["pit"],
            "serial": ["a"] * 5 + ["b", "c"],
            "camera": ["cam-1"] * 7,
            "captured_at": pd.to_datetime(["2026-11-02T06:00Z"] * 4 + ["2026-11-03T06:00Z"] * 3),
        },
        index=[5, 9, 1, 2, 3, 4, 0],
    )


def test_without_balance_every_image_is_drawn_alike() -> None:
    assert chances(drawn(), ()) == pytest.approx([1 / 7] * 7)


def test_balance_shares_equally_at_each_level_and_in_its_order() -> None:
    assert chances(drawn(), ("class",)) == pytest.approx([1 / 12] * 6 + [1 / 2])
    assert chances(drawn(), ("class", "part")) == pytest.approx([1 / 20] * 5 + [1 / 4, 1 / 2])
    assert chances(drawn(), ("part",)) == pytest.approx([1 / 15] * 5 + [1 / 3, 1 / 3])
    assert chances(drawn(), ("class", "day")) == pytest.approx([1 / 16] * 4 + [1 / 8] * 2 + [1 / 2])
    assert chances(drawn(), ("camera", "class")) == pytest.approx([1 / 12] * 6 + [1 / 2])
