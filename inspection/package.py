"""The classifier as it goes to the line: resize, normalise, network, classes and thresholds in one ONNX graph,
with its weights as safetensors and a card. Prediction needs neither torch nor Prefect."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspection import batches, graph
from inspection.errors import FixInput
from inspection.params import Record

if TYPE_CHECKING:
    import torch

    from inspection.graph import Stretch

MODEL, WEIGHTS, CARD = "model.onnx", "weights.safetensors", "card.json"
OUTPUTS = ("probability", "reject_probability", "reject")


class Card(Record):
    """What a package is; no time and no host, so that the same training gives the same bytes."""

    classes: tuple[str, ...]
    acceptable: tuple[bool, ...]  # per class: may a part that shows it pass?
    threshold: float  # an image is rejected from this probability of a class that is not acceptable
    temperature: float  # logits are divided by it; fitted on the validation set
    part_verdict: str  # how images fold to a part: any or majority
    backbone: str
    frozen: str  # SHA-256 of the frozen graph
    image_size: int  # pixels
    tuned_blocks: int
    precision: str  # of the frozen part in training
    trained_on: Mapping[str, int]  # class -> images
    data: str  # SHA-256 of the split table
    seed: int


@dataclass(frozen=True)
class Prediction:
    """What a package says of one image. `probability` stands in the order of the card's classes."""

    label: str
    probability: NDArray[np.float32]
    reject_probability: float
    reject: bool


class Package:
    """A package on the disk, ready to predict."""

    def __init__(self, folder: Path) -> None:
        """Raises FixInput when the folder does not hold a package."""
        self.folder = folder
        try:
            self.card = Card.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FixInput(
                f"{folder} holds no package ({type(error).__name__}); restore it with `dvc checkout`."
            ) from None
        self._stretches: tuple[graph.Preparation, Stretch, Stretch] | None = None

    def predict(self, images: Sequence[NDArray[np.float32]]) -> list[Prediction]:
        """The verdict on each image, (H, W, C) float32 0..255 of any sizes.

        The frozen part runs in the precision it had in training, if this processor has it; the tuned part in f32.
        """
        return self.judge(self.activations(images))

    def activations(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float16]:
        """What the frozen part says of images, as the feature store keeps it: (N, C, H, W)."""
        prepare, frozen, _ = self._compiled()
        return np.asarray(frozen(prepare(images))[0], np.float16)

    def judge(self, activations: NDArray[np.float16]) -> list[Prediction]:
        """The verdict on images whose frozen part has run: (N, C, H, W) as the feature store keeps them."""
        _, _, tuned = self._compiled()
        probability, reject_probability, reject = tuned(activations.astype(np.float32))
        return [
            Prediction(self.card.classes[int(p.argmax())], p, float(q), bool(r))
            for p, q, r in zip(probability, reject_probability, reject, strict=True)
        ]

    def _compiled(self) -> "tuple[graph.Preparation, Stretch, Stretch]":
        if self._stretches is None:
            model = graph.Graph(self.folder / MODEL)
            native = graph.best_precision("auto")
            precision = graph.best_precision(self.card.precision if self.card.precision == native else "f32")
            self._stretches = (
                graph.Preparation(model),
                model.stretch("pixels", ["activation"], precision, graph.BATCH),
                model.stretch("activation", OUTPUTS, "f32", graph.BATCH),
            )
        return self._stretches


def build(folder: Path, frozen: Path, tail: "torch.nn.Module", example: "torch.Tensor", card: Card) -> None:
    """Write a package: the frozen graph followed by `tail` (activation -> logits), temperature and threshold.

    Args:
        example: one activation batch (N, C, H, W) float32 that shows the tail's input shape.
    """
    import onnx
    from safetensors.torch import save_file

    from inspection import backbone

    ending = backbone.to_onnx(_Verdict(tail, card).eval(), example, "activation", list(OUTPUTS))
    head = onnx.shape_inference.infer_shapes(onnx.load(frozen))
    head = onnx.utils.Extractor(head).extract_model(["image"], ["activation"])
    head.ir_version = ending.ir_version
    model = onnx.compose.merge_models(
        head,
        onnx.compose.add_prefix(ending, "tuned/", rename_inputs=False, rename_outputs=False),
        io_map=[("activation", "activation")],
        outputs=list(OUTPUTS),
    )
    for key, value in (("classes", list(card.classes)), ("threshold", card.threshold)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    model.producer_name = model.producer_version = ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))
    save_file({k: v.contiguous() for k, v in sorted(tail.state_dict().items())}, folder / WEIGHTS)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def package_hash(folder: Path) -> str:
    """SHA-256 over the names and hashes of the package's files; a missing one changes it like any other change."""
    paths = [folder / name for name in (CARD, MODEL, WEIGHTS)]
    lines = [f"{batches.digest(path) if path.is_file() else 'missing'}  {path.name}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def copy(source: Path, target: Path) -> None:
    """Put a package at `target` whole or not at all."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in (CARD, MODEL, WEIGHTS):
        shutil.copyfile(source / name, part / name)
    os.replace(part, target)


def pieces(items: Sequence[Any], size: int = 32) -> Iterator[Sequence[Any]]:
    """`items` in runs of at most `size`, so that no more than that many images are in memory."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _Verdict(tail: "torch.nn.Module", card: Card) -> "torch.nn.Module":
    """The tail with temperature, softmax and threshold behind it."""
    import torch

    class Verdict(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tail = tail
            self.bad: torch.Tensor
            self.register_buffer("bad", torch.tensor([0.0 if ok else 1.0 for ok in card.acceptable]))

        def forward(self, activation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            probability = torch.softmax(self.tail(activation) / card.temperature, dim=1)
            reject_probability = (probability * self.bad).sum(dim=1)
            return probability, reject_probability, reject_probability >= card.threshold

    return Verdict()
