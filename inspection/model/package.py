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

from inspection import files
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.network import graph
from inspection.network.export import to_onnx
from inspection.network.frozen import behind, frozen_graph
from inspection.network.masks import NO_MASKS, Masks, read_masks, unpacked
from inspection.network.views import tiles
from inspection.outside import documents
from inspection.params import Params
from inspection.record import Record
from inspection.records import batches

if TYPE_CHECKING:
    import torch

    from inspection.network.graph import Stretch

MODEL, WEIGHTS, CARD = "model.onnx", "weights.safetensors", "card.json"
MASKS = "masks.safetensors"  # only where there are masks
Place = tuple[str, str]  # camera and kind of part
OUTPUTS = ("probability", "reject_probability", "reject")
EMBEDDING = "embedding"  # what the blocks say, before the head: (N, tiles, D)


class Card(Record):
    """What a package is; no time and no host, so that the same training gives the same bytes."""

    classes: tuple[str, ...]
    acceptable: tuple[bool, ...]  # per class: may a part that shows it pass?
    threshold: float  # an image is rejected from this probability of a class that is not acceptable
    temperature: float  # logits are divided by it; fitted on the validation set
    part_verdict: str  # how images fold to a part: any or majority
    backbone: str
    frozen: str  # SHA-256 of the pretrained network's graph
    frozen_blocks: int  # before the cut; of depth head those behind it stayed as they were, too
    depth: str  # of training: head, tail, full or scratch
    image_size: int  # pixels
    grid: int  # tiles a side in which a picture is looked at
    precision: str  # of the frozen part in training; all blocks predict in it
    trained_on: Mapping[str, int]  # class -> images that the weights learned from
    alike: Mapping[str, int] = {}  # class that is known by its likeness to few pictures alone -> images labelled then
    masks: Mapping[str, str]  # camera/part -> SHA-256 of the mask that hides where not to look
    data: str  # SHA-256 of the split table
    from_version: str = ""  # the release that training went on from; "": from ImageNet's weights
    from_package: str = ""  # its hash
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
            self.card = Card.model_validate_json(documents.text_of(folder / CARD))
        except (OSError, ValueError) as error:
            raise FixInput(
                f"{folder} holds no package ({type(error).__name__}); restore it with `dvc checkout`."
            ) from None
        self._masks: Masks | None = None
        self._stretches: tuple[graph.Preparation, Stretch | None, Stretch, Stretch] | None = None

    @property
    def masks(self) -> Masks:
        """Where the model must not look, by camera and part.

        Raises:
            FixInput: they are not those of the card.
        """
        if self._masks is None:
            from safetensors import SafetensorError
            from safetensors.numpy import load_file

            try:
                self._masks = unpacked(load_file(self.folder / MASKS) if self.card.masks else {}, self.card.masks)
            except (OSError, SafetensorError, KeyError):
                raise FixInput(f"{self.folder / MASKS} is damaged; restore it with `dvc checkout`.") from None
        return self._masks

    def predict(self, images: Sequence[NDArray[np.float32]], places: Sequence[Place] | None = None) -> list[Prediction]:
        """The verdict on each image, (H, W, C) float32 0..255 of any sizes.

        Args:
            places: camera and part of each image, whose masks hide where not to look; None: they are not known, the
                whole of each picture is looked at.

        The blocks run in the precision that the frozen ones had in training, if this processor has it; the head in f32.
        """
        return self.judge(self.activations(images, places))

    def activations(
        self, images: Sequence[NDArray[np.float32]], places: Sequence[Place] | None = None
    ) -> NDArray[np.float16]:
        """What the frozen part says of images, as the feature store keeps it: (N, C, H, W)."""
        prepare, frozen, _, _ = self._compiled()
        if places is not None:
            images = [self.masks.applied(image, *place) for image, place in zip(images, places, strict=True)]
        grid = self.card.grid
        pixels = prepare([tile for image in images for tile in tiles(image, grid)])
        activations = np.asarray(frozen(pixels)[0] if frozen else pixels, np.float16)
        return activations.reshape(-1, grid**2, *activations.shape[1:]) if grid > 1 else activations

    def judge(self, activations: NDArray[np.float16 | np.float32]) -> list[Prediction]:
        """The verdict on images whose frozen part has run: (N, C, H, W) as the feature store keeps them."""
        _, _, tuned, head = self._compiled()
        probability, reject_probability, reject = head(tuned(activations.astype(np.float32))[0])
        return [
            Prediction(self.card.classes[int(p.argmax())], p, float(q), bool(r))
            for p, q, r in zip(probability, reject_probability, reject, strict=True)
        ]

    def _compiled(self) -> "tuple[graph.Preparation, Stretch | None, Stretch, Stretch]":
        if self._stretches is None:
            model = graph.Graph(self.folder / MODEL)
            if not model.has(f"tuned/{EMBEDDING}"):
                raise FixInput(f"{self.folder / MODEL} is of an older Andon, which named no embedding: train it anew.")
            native = graph.best_precision("auto")
            precision = graph.best_precision(self.card.precision if self.card.precision == native else "f32")
            cut = behind(self.card.frozen_blocks)
            self._stretches = (
                graph.Preparation(model),
                model.stretch("pixels", [cut], precision, graph.BATCH) if self.card.frozen_blocks else None,
                model.stretch(cut, [f"tuned/{EMBEDDING}"], precision, graph.BATCH),
                model.stretch(f"tuned/{EMBEDDING}", OUTPUTS, "f32", graph.BATCH),
            )
        return self._stretches


@dataclass(frozen=True)
class Sight:
    """How pictures are looked at: blocks of the network that are frozen, and where not to look."""

    frozen_blocks: int
    masks: Masks


def sight_on_line(layout: Layout, settings: Params) -> Sight:
    """How the package on the line looks at pictures, so that what is kept of new ones serves it; where none of this
    network is there, as the next one will."""
    folder = linked(layout)
    if folder is not None and intact(folder, folder.name) and folder.parent == layout.releases.resolve():
        package = Package(folder)
        card = package.card
        wished = settings.backbone
        if (card.backbone, card.image_size, card.grid) == (wished.name, wished.image_size, wished.grid):
            return Sight(card.frozen_blocks, package.masks)
    blocks = frozen_graph(settings.backbone, layout).blocks
    return Sight(settings.train.frozen_of(blocks), read_masks(layout.masks))


def build(
    folder: Path, frozen: Path, tail: "torch.nn.Module", example: "torch.Tensor", card: Card, masks: Masks = NO_MASKS
) -> None:
    """Write a package: the frozen blocks followed by `tail` (activation -> logits), temperature and threshold.

    Args:
        frozen: the pretrained network's graph.
        example: one activation batch, (N, C, H, W) or (N, tiles, C, H, W) float32, that shows the tail's input shape.
    """
    import onnx
    from safetensors.numpy import save_file

    cut = behind(card.frozen_blocks)
    ending = to_onnx(_Verdict(tail, card).eval(), example, cut, [*OUTPUTS, EMBEDDING])
    ending.graph.output.pop()  # the embedding has a name, but is not said
    head = onnx.shape_inference.infer_shapes(onnx.load(frozen))
    head = onnx.utils.Extractor(head).extract_model(["image"], [cut])
    head.ir_version = ending.ir_version
    model = onnx.compose.merge_models(
        head,
        onnx.compose.add_prefix(ending, "tuned/", rename_inputs=False, rename_outputs=False),
        io_map=[(cut, cut)],
        outputs=list(OUTPUTS),
    )
    for key, value in (("classes", list(card.classes)), ("threshold", card.threshold)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    model.producer_name = model.producer_version = ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))
    save_weights(tail, folder)
    if masks.by_place:
        save_file(masks.packed(), folder / MASKS)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def save_weights(tail: "torch.nn.Module", folder: Path) -> None:
    """What was trained, by its names in `tail`: a later training goes on from it."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in sorted(tail.state_dict().items())}, folder / WEIGHTS)


def package_hash(folder: Path) -> str:
    """SHA-256 over the names and hashes of the package's files; a missing one changes it like any other change."""
    paths = [folder / name for name in (CARD, MODEL, WEIGHTS)]
    paths += [path for path in (folder / MASKS,) if path.exists()]
    lines = [f"{batches.digest(path) if path.is_file() else 'missing'}  {path.name}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def linked(layout: Layout) -> Path | None:
    """Where `models/live` leads when every link on the way is followed, whether or not anything lies there; None: it is
    no link."""
    if not layout.live.is_symlink():
        return None
    try:
        return layout.live.resolve()
    except (OSError, RuntimeError):  # links that lead to each other
        return layout.live.parent.resolve() / layout.live.readlink()


def intact(folder: Path, package: str) -> bool:
    """Whether the folder itself holds this package, byte by byte: neither it nor a file of it is a link, for what a
    link leads to can become another."""
    if any(path.is_symlink() for path in (folder, *(folder / name for name in (CARD, MODEL, WEIGHTS, MASKS)))):
        return False
    return folder.is_dir() and package_hash(folder) == package


def copy(source: Path, target: Path) -> None:
    """Put a package at `target` whole or not at all; what killed copies have left beside it is deleted. Its files are
    on the disk before it has its name, so it survives a loss of power. One process at a time."""
    for left in target.parent.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True)
    part = target.with_name(f".{target.name}.part")
    for name in (CARD, MODEL, WEIGHTS, MASKS):
        if name != MASKS or (source / name).exists():
            files.write(part / name, (source / name).read_bytes())
    os.replace(part, target)


def pieces(items: Sequence[Any], size: int = graph.BATCH) -> Iterator[Sequence[Any]]:
    """`items` in runs of at most `size`, so that no more than that many images are in memory: of 40 megapixels in
    colour four take 2 GB."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _Verdict(tail: Any, card: Card) -> "torch.nn.Module":
    """The tail with temperature, softmax and threshold behind it; last, what its blocks say."""
    import torch

    class Verdict(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tail = tail
            self.bad: torch.Tensor
            self.register_buffer("bad", torch.tensor([0.0 if ok else 1.0 for ok in card.acceptable]))

        def forward(self, activation: torch.Tensor) -> tuple[torch.Tensor, ...]:
            embedding = self.tail.embedded(activation).unflatten(0, (-1, self.tail.tiles))
            probability = torch.softmax(self.tail.scored(embedding.flatten(0, 1)) / card.temperature, dim=1)
            reject_probability = (probability * self.bad).sum(dim=1)
            return probability, reject_probability, reject_probability >= card.threshold, embedding

    return Verdict()
