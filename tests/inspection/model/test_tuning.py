"""Training on points drawn by hand: it learns, repeats itself, may be killed at any epoch, and trusts no file."""

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode

from inspection.errors import FixInput
from inspection.model.tail import Tail
from inspection.model.tuning import CPU, Checkpoint, Learned, Tuning, best_device, class_loss, fit, predict, temperature
from inspection.network.activations import Batch
from inspection.params import Train, read_params
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = read_params(ROOT / "params.yaml").train.model_copy(
    update={
        "seed": 3,
        "epochs": 6,
        "patience": 6,
        "batch_size": 16,
        "head_lr": 0.05,
        "tail_lr": 0.05,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "averaging": 0.0,
    }
)
ROUGH = PLAIN.model_copy(update={"dropout": 0.3, "averaging": 0.8, "weight_decay": 0.05, "label_smoothing": 0.1})
N, WIDTH, CLASSES = 90, 8, 3


class Points:
    """Activations drawn by hand, in the place of the feature store."""

    def __init__(self, seed: int, broken: bool = False, shuffled: bool = False) -> None:
        rng = np.random.default_rng(seed)
        labels = np.arange(N) % CLASSES
        values = np.random.default_rng(0).normal(0, 2, (CLASSES, WIDTH))[labels] + rng.normal(0, 1, (N, WIDTH))
        self.labels: NDArray[np.int64] = rng.permutation(labels) if shuffled else labels
        self.values = torch.from_numpy(np.full_like(values, np.nan) if broken else values).float()

    def plain(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.labels), size):
            yield self.values[start : start + size], torch.from_numpy(self.labels[start : start + size])

    def balanced(self, size: int, balance: Sequence[str], generator: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(len(self.labels), generator=generator)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            yield self.values[some], torch.from_numpy(self.labels)[some]


def tail() -> Tail:
    """Two blocks, the first with a norm, and a head."""
    torch.manual_seed(1)
    norm = torch.nn.BatchNorm1d(WIDTH)
    first = torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), norm, torch.nn.ReLU())
    return Tail([first, torch.nn.Linear(WIDTH, WIDTH)], torch.nn.Linear(WIDTH, CLASSES))


def tuning(settings: Train = PLAIN, norms: bool = True, of: Tail | None = None) -> Tuning:
    """A training, and the chance that it starts with."""
    made = Tuning(of or tail(), settings, settings.epochs, -(-N // settings.batch_size), False, norms)
    torch.manual_seed(settings.seed)
    return made


def trained(settings: Train = PLAIN, norms: bool = True, **sets: Points) -> Learned:
    return fit(tuning(settings, norms), sets.get("train", Points(1)), sets.get("val", Points(2)), lambda _: None)  # type: ignore[arg-type]


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Bit for bit, buffers too."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_training_learns_and_tells_every_epoch() -> None:
    told: list[Mapping[str, float]] = []
    learned = fit(tuning(), Points(1), Points(2), told.append)  # type: ignore[arg-type]
    logits, labels = predict(learned.tail, Points(2).plain(16))
    assert (logits.argmax(1) == labels).float().mean() > 0.9
    assert [one["epoch"] for one in told] == [1, 2, 3, 4, 5, 6] and tuple(told) == learned.history
    assert told[-1]["train_loss"] < told[0]["train_loss"] / 2
    assert not learned.tail.training


def test_a_last_picture_alone_has_no_spread_to_learn_norms_from() -> None:
    settings = PLAIN.model_copy(update={"batch_size": N - 1})
    assert trained(settings).epoch and trained(settings, norms=False).epoch


def test_the_weights_are_those_of_the_best_epoch_of_the_second_half() -> None:
    learned = trained(PLAIN.model_copy(update={"head_lr": 0.5, "tail_lr": 0.3}))
    losses = {int(one["epoch"]): one["val_loss"] for one in learned.history}
    assert learned.epoch == min((4, 5, 6), key=losses.__getitem__)
    assert losses[learned.epoch] == class_loss(*predict(learned.tail, Points(2).plain(16)))


@pytest.fixture(scope="module")
def good() -> Mapping[str, torch.Tensor]:
    """What a training has learned."""
    return trained(PLAIN).tail.state_dict()


Told = Callable[[Mapping[str, float]], None]


def astray(
    good: Mapping[str, torch.Tensor], settings: Train, told: Told = lambda _: None, kept: Checkpoint | None = None
) -> Learned:
    """A training that starts well and gets worse from the first epoch on, for its labels are shuffled."""
    start = tail()
    start.load_state_dict(good)
    return fit(tuning(settings, of=start), Points(1, shuffled=True), Points(2), told, kept)  # type: ignore[arg-type]


def test_the_first_half_is_never_kept_however_good_it_looks(good: Mapping[str, torch.Tensor]) -> None:
    learned = astray(good, PLAIN.model_copy(update={"patience": 1}))
    losses = [one["val_loss"] for one in learned.history]
    assert min(losses) == losses[0] and learned.epoch >= 4


@pytest.mark.parametrize("patience", [1, 2])
def test_training_stops_when_it_gained_nothing_for_so_many_epochs(
    good: Mapping[str, torch.Tensor], patience: int
) -> None:
    learned = astray(good, PLAIN.model_copy(update={"epochs": 12, "patience": patience}))
    assert len(learned.history) == learned.epoch + patience < 12
    losses = [one["val_loss"] for one in learned.history]
    assert min(losses[6:]) == losses[learned.epoch - 1]


@pytest.mark.parametrize("settings", [PLAIN, ROUGH])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(settings: Train) -> None:
    first = trained(settings)
    assert same(first.tail, trained(settings).tail)
    assert not same(first.tail, trained(settings.model_copy(update={"seed": 4})).tail)


@pytest.mark.parametrize("name", ["dropout", "averaging", "weight_decay", "label_smoothing", "head_lr", "tail_lr"])
def test_every_number_of_the_training_changes_the_weights(name: str) -> None:
    assert not same(trained(ROUGH).tail, trained(ROUGH.model_copy(update={name: 0.02})).tail)


def test_a_running_mean_lies_between_the_first_weights_and_the_last() -> None:
    still = trained(PLAIN.model_copy(update={"averaging": 0.999})).tail
    moved, start = trained(PLAIN).tail, tail()

    def way(end: Tail) -> float:
        return float((end.head.weight - start.head.weight).detach().norm())

    assert 0 < way(still) < 0.2 * way(moved)


def test_a_running_mean_is_told_apart_from_what_goes_on_learning() -> None:
    one = tuning(PLAIN.model_copy(update={"averaging": 0.5}))
    one.run_epoch(Points(1), Points(2))  # type: ignore[arg-type]
    assert not same(one.mean, one.tail)
    assert one.history[0]["val_loss"] == class_loss(*predict(one.mean, Points(2).plain(16)))
    plain = tuning(PLAIN)
    assert plain.mean is plain.tail


def test_batch_norm_statistics_stay_those_of_the_pretrained_network_unless_they_are_learned() -> None:
    before = {name: value.clone() for name, value in tail().named_buffers()}
    for norms in (False, True):
        after = dict(trained(PLAIN, norms).tail.named_buffers())
        moved = [name for name, value in before.items() if not torch.equal(after[name], value)]
        assert moved == (list(before) if norms else []) and len(before) == 3


def test_a_loss_that_is_no_number_is_said_with_the_remedy() -> None:
    with pytest.raises(FixInput, match=r"epoch 1: lower train\.tail_lr and train\.head_lr in params\.yaml"):
        trained(train=Points(1, broken=True))


def test_weights_that_are_lost_in_the_very_last_step_are_said_with_the_remedy() -> None:
    """One epoch of one step: its loss is a number, but what the step leaves behind says none."""
    settings = PLAIN.model_copy(update={"epochs": 1, "batch_size": N, "tail_lr": 1e30, "head_lr": 1e30})
    with pytest.raises(FixInput, match="tail_lr"):
        trained(settings)


# A training that is killed


class Killed(Exception):
    """The process ends here."""


def stop_after(epoch: int) -> Told:
    """Ends the process when so many epochs are written down."""

    def told(figures: Mapping[str, float]) -> None:
        if figures["epoch"] > epoch:
            raise Killed

    return told


def killed(settings: Train, kept: Checkpoint, after: int) -> None:
    with pytest.raises(Killed):
        fit(tuning(settings), Points(1), Points(2), stop_after(after), kept)  # type: ignore[arg-type]


def resumed(settings: Train, kept: Checkpoint, told: Told = lambda _: None) -> Learned:
    """The rest, in a process that has drawn other numbers before."""
    one = tuning(settings)
    torch.manual_seed(99)
    return fit(one, Points(1), Points(2), told, kept)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_a_killed_training_goes_on_to_the_very_same_weights(tmp_path: Path, after: int) -> None:
    kept, whole = Checkpoint(tmp_path, "key"), trained(ROUGH)
    killed(ROUGH, kept, after)
    told: list[Mapping[str, float]] = []
    learned = resumed(ROUGH, kept, told.append)
    assert same(learned.tail, whole.tail)
    assert (learned.epoch, learned.history) == (whole.epoch, whole.history) and tuple(told) == whole.history


def test_a_training_may_be_killed_after_each_of_its_epochs(tmp_path: Path) -> None:
    kept, whole = Checkpoint(tmp_path, "key"), trained(ROUGH)
    for after in range(1, 6):
        killed(ROUGH, kept, after)
    assert same(resumed(ROUGH, kept).tail, whole.tail)


def test_where_there_are_more_epochs_than_asked_for_one_waits_longer() -> None:
    waits = []
    for epochs in (3, 6, 12):
        made = Tuning(tail(), PLAIN.model_copy(update={"epochs": 6, "patience": 2}), epochs, 1, False, True)
        made.best_epoch = made.epoch = 1
        while not made.finished:
            made.epoch += 1
        waits.append(min(made.epoch, epochs) - 1)
    assert waits == [2, 2, 4]


def test_how_long_it_waited_already_is_not_forgotten(good: Mapping[str, torch.Tensor], tmp_path: Path) -> None:
    settings = PLAIN.model_copy(update={"epochs": 12, "patience": 3})
    whole, kept = astray(good, settings), Checkpoint(tmp_path, "key")
    with pytest.raises(Killed):
        astray(good, settings, stop_after(len(whole.history) - 1), kept)
    learned = astray(good, settings, kept=kept)
    assert learned.history == whole.history and same(learned.tail, whole.tail)


@pytest.mark.parametrize("name", ["generator", "chance", "optimizer", "schedule", "tail", "mean"])
def test_nothing_of_what_is_written_down_could_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Were one part forgotten, the rest of the training would be another, and the tests above would see it."""
    kept, whole = Checkpoint(tmp_path, "key"), trained(ROUGH)
    killed(ROUGH, kept, 2)
    restore = Tuning.restore

    def forgetful(one: Tuning, state: Mapping[str, Any]) -> None:
        own = one.state()[name]
        own = {key: value.clone() for key, value in own.items()} if name in ("tail", "mean") else own
        restore(one, {**state, name: own})

    monkeypatch.setattr(Tuning, "restore", forgetful)
    assert not same(resumed(ROUGH, kept).tail, whole.tail)


@pytest.mark.parametrize("name", ["best", "best_loss", "best_epoch"])
def test_nothing_of_the_best_epoch_could_be_left_out(
    good: Mapping[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = PLAIN.model_copy(update={"epochs": 12, "patience": 12})
    whole, kept, restore = astray(good, settings), Checkpoint(tmp_path, "key"), Tuning.restore
    assert whole.epoch < 11
    with pytest.raises(Killed):
        astray(good, settings, stop_after(11), kept)
    assert same(astray(good, settings, kept=Copy(kept)).tail, whole.tail)

    def forgetful(one: Tuning, state: Mapping[str, Any]) -> None:
        restore(one, {**state, name: {"best": state["mean"], "best_loss": np.inf, "best_epoch": 0}[name]})

    monkeypatch.setattr(Tuning, "restore", forgetful)
    forgot = astray(good, settings, kept=kept)
    assert (forgot.epoch, same(forgot.tail, whole.tail)) != (whole.epoch, True)


class Copy(Checkpoint):
    """Leaves what it was made of as it is."""

    def __init__(self, kept: Checkpoint) -> None:
        self.read = kept.read  # type: ignore[method-assign]

    def write(self, state: Mapping[str, Any]) -> None:
        pass


# What a checkpoint's file may hold


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_holds_what_was_written_and_is_gone_when_cleared(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "deep", "key")
    assert kept.read() is None
    kept.write({"epoch": 3})
    kept.write({"epoch": 4})
    assert kept.read() == {"epoch": 4, "key": "key"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["key.pt"]  # no half-written one
    kept.clear()
    kept.clear()
    assert kept.read() is None


def test_trainings_that_never_went_on_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(6):
        Checkpoint(tmp_path, f"{number}").write({"epoch": number})
        os.utime(tmp_path / f"{number}.pt", (number, number))
    gone, writing = tmp_path / "7.4194305.part", tmp_path / f"8.{os.getppid()}.part"  # no pid is as high as the first
    gone.touch()
    writing.touch()
    Checkpoint(tmp_path, "1").clear()
    assert {path.name for path in tmp_path.iterdir()} == {"3.pt", "4.pt", "5.pt", writing.name}
    assert Checkpoint(tmp_path, "4").read() == {"epoch": 4, "key": "4"}


def test_a_checkpoint_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    """Nor one whose key starts like this one's."""
    killed(ROUGH, Checkpoint(tmp_path, "another"), 2)
    killed(ROUGH, Checkpoint(tmp_path, f"{'k' * 24}-another"), 2)
    for key in ("key", "k" * 24):
        kept = Checkpoint(tmp_path, key)
        assert kept.read() is None
        told: list[Mapping[str, float]] = []
        learned = fit(tuning(ROUGH), Points(1), Points(2), told.append, kept)  # type: ignore[arg-type]
        assert same(learned.tail, trained(ROUGH).tail) and len(told) == 6
    assert Checkpoint(tmp_path, "another").read() is not None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_checkpoint_that_was_cut_off_is_not_gone_on_with(tmp_path: Path, share: float) -> None:
    kept, path = Checkpoint(tmp_path, "key"), tmp_path / "key.pt"
    killed(ROUGH, kept, 2)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert kept.read() is None
    assert same(fit(tuning(ROUGH), Points(1), Points(2), lambda _: None, kept).tail, trained(ROUGH).tail)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["torch", "pickle", "list", "number", "text"])
def test_a_checkpoint_with_code_in_it_or_of_another_kind_is_ignored_and_never_executed(
    tmp_path: Path, kind: str
) -> None:
    path, trap = tmp_path / "key.pt", Trap(tmp_path / "executed")
    if kind == "torch":
        torch.save({"key": "key", "tail": trap}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"key": "key", "tail": trap}, protocol=2))
    elif kind == "text":
        path.write_text("key")
    else:
        torch.save({"list": ["key"], "number": 3}[kind], path)
    kept = Checkpoint(tmp_path, "key")
    assert kept.read() is None and not trap.path.exists()
    assert same(fit(tuning(ROUGH), Points(1), Points(2), lambda _: None, kept).tail, trained(ROUGH).tail)  # type: ignore[arg-type]
    assert not trap.path.exists()


# What a training is judged by


@pytest.mark.parametrize("heat", [0.5, 3.0])
def test_the_temperature_finds_by_what_logits_were_stretched(heat: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4000, 4) * 2
    labels = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
    assert temperature(logits * heat, labels) == pytest.approx(heat, rel=0.1)


def test_a_few_images_that_are_all_called_right_do_not_make_it_certain() -> None:
    labels = torch.arange(4).repeat(5)
    logits = 9.0 * torch.nn.functional.one_hot(labels, 4)
    sure = torch.softmax(logits / temperature(logits, labels), 1).amax(1)
    assert sure.numpy() == pytest.approx(21 / 22, abs=0.001)
    more = torch.softmax(logits.repeat(2, 1) / temperature(logits.repeat(2, 1), labels.repeat(2)), 1).amax(1)
    assert more.numpy() == pytest.approx(41 / 42, abs=0.001)


def test_overconfidence_does_not_count_and_every_class_counts_alike() -> None:
    torch.manual_seed(0)
    logits = torch.randn(400, 2) * 2
    labels = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
    assert class_loss(logits * 7, labels) == pytest.approx(class_loss(logits, labels), rel=0.01)
    known, many = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0] * 9 + [1])
    rows = torch.stack([known[0]] * 9 + [known[1]])  # nine of one class right, the only one of the other a guess
    heat = temperature(rows, many)
    right, guess = (float(-torch.log_softmax(known[i] / heat, 0)[i]) for i in (0, 1))
    assert class_loss(rows, many) == pytest.approx((right + guess) / 2)


def test_predictions_are_in_the_order_of_the_batches_and_without_dropout() -> None:
    drops = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(WIDTH, CLASSES)).train()
    points = Points(1)
    logits, labels = predict(drops, points.plain(16))
    with torch.inference_mode():
        torch.testing.assert_close(logits, drops[1](points.values))
    assert labels.tolist() == points.labels.tolist() and not drops.training


def test_a_training_computes_where_its_tail_lies_and_says_it_on_the_cpu() -> None:
    """With tensors that only know their shape and device: none may be mixed, and no GPU is needed."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"):
        made = tuning()
        loss = made.loss(torch.zeros(5, WIDTH, device="cpu"), torch.zeros(5, dtype=torch.int64, device="cpu"))
        logits, labels = predict(made.tail, Points(2).plain(16))  # type: ignore[arg-type]
    assert loss.device.type == "cuda"
    assert {logits.device.type, labels.device.type} == {"cpu"} and logits.shape == (N, CLASSES)


def test_where_there_is_no_gpu_the_cpu_trains_and_where_there_is_one_its_kernels_are_to_be_deterministic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_device() == CPU and "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        assert best_device().type == "cuda"
        assert torch.are_deterministic_algorithms_enabled() and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
