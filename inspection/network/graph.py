"""A stretch of an ONNX graph, compiled by OpenVINO (the only file that imports it)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from inspection.network.preprocess import SHAPE, WEIGHTS

if TYPE_CHECKING:
    import onnx
    from openvino import CompiledModel, InferRequest

Precision = Literal["f32", "bf16"]

# Four 224-pixel images keep the widest layer in the second-level cache: 310 images/s against 240 with sixteen.
BATCH = 4
KNOWN_SIZES = 64  # image sizes whose resize weights are kept; two matrices of 224 × side each
BAND = 16  # rows of the small picture whose weights are multiplied together


def best_precision(wish: str) -> Precision:
    """`auto` as what this processor does natively; any other wish as it is."""
    if wish != "auto":
        return "bf16" if wish == "bf16" else "f32"
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def version() -> str:
    """The runtime's version, as a part of keys."""
    from importlib.metadata import version as installed

    return f"openvino-{installed('openvino')}"


class Graph:
    """A model file read once, from which stretches are compiled."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """`threads`: that its stretches may take; None: all that there are."""
        import onnx

        self._model: onnx.ModelProto = onnx.shape_inference.infer_shapes(onnx.load(path))
        self._threads = threads or len(os.sched_getaffinity(0))

    def has(self, tensor: str) -> bool:
        """Whether a node gives that tensor."""
        return any(tensor in node.output for node in self._model.graph.node)

    def stretch(
        self, source: str | Sequence[str], outputs: Sequence[str], precision: Precision, batch: int | None = None
    ) -> "Stretch":
        """The nodes between the tensors `source` and the tensors `outputs`, compiled on first use.

        Args:
            batch: a fixed first axis; None leaves every axis of the source free.
        """
        from onnx.utils import Extractor

        sources = [source] if isinstance(source, str) else list(source)
        model = Extractor(self._model).extract_model(sources, list(outputs))
        return Stretch(model, precision, batch, self._threads)


class Stretch:
    """One stretch: array -> arrays."""

    def __init__(self, model: "onnx.ModelProto", precision: Precision, batch: int | None, threads: int) -> None:
        self._model, self._precision, self._batch, self._threads = model, precision, batch, threads
        self._request: InferRequest | None = None  # compiled for the shape of the first array

    def __call__(self, array: NDArray[Any], *more: NDArray[Any]) -> list[NDArray[Any]]:
        """The outputs for an array (N, ...), or for several inputs. With a fixed batch, N is cut up and the last piece
        is filled up with zeros, so that an image's result does not depend on its neighbours."""
        if self._batch is None:
            return self._infer(array, *more)
        pieces = [self._fixed(array[start : start + self._batch]) for start in range(0, len(array), self._batch)]
        return [np.concatenate(outputs) for outputs in zip(*pieces, strict=True)]

    def _fixed(self, array: NDArray[np.float32]) -> list[NDArray[Any]]:
        count = len(array)
        if count < self._batch:  # type: ignore[operator]
            filled = np.zeros((self._batch, *array.shape[1:]), np.float32)
            filled[:count] = array
            array = filled
        return [output[:count] for output in self._infer(array)]

    def borrowed(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """The outputs for arrays of any length, where they were computed: true until the next call, and not copied."""
        if self._request is None:
            shape = None if self._batch is None else arrays[0].shape
            self._request = _compile(self._model, self._precision, shape, self._threads).create_infer_request()
        inputs = [np.ascontiguousarray(array) for array in arrays]
        return list(self._request.infer(inputs, share_inputs=True, share_outputs=True).values())

    def _infer(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        return [np.array(output) for output in self.borrowed(*arrays)]


class Preparation:
    """Resize and normalise, from a model file that holds `preprocess`; the resize weights are made once per size.

    The two products are taken in bands: a row or column of the small picture depends on few of the large one's, and all
    other weights are 0 (docs/decisions/0001).
    """

    def __init__(self, source: Graph) -> None:
        self._weights = source.stretch(SHAPE, WEIGHTS, "f32")
        self._apply = source.stretch(["square"], ["pixels"], "f32")
        self._known: dict[tuple[int, ...], tuple[list[_Band], list[_Band]]] = {}
        self._threads = ThreadpoolController()

    def __call__(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Images (H, W, C) of any sizes as (N, 3, S, S), which is true until the next call."""
        with self._threads.limit(limits=1, user_api="blas"):  # bands are small: more threads only wait for each other
            squares = [self._square(np.asarray(image, np.float32)) for image in images]
        if len({len(square) for square in squares}) == 1:  # all grey, or all in colour: at once
            return self._apply.borrowed(np.stack(squares))[0]
        return np.concatenate([self._apply(square[None])[0] for square in squares])

    def _square(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, S, S) of (H, W, C); an axis that is S long already has no bands and stays as it is."""
        rows, columns = self._for(image.shape)
        height, width, channels = image.shape
        flat = image.reshape(height, width * channels)
        short = np.concatenate([band.weights @ flat[band.first : band.end] for band in rows]) if rows else flat
        planes = np.ascontiguousarray(short.reshape(-1, width, channels).transpose(2, 0, 1))
        if not columns:
            return planes
        return np.concatenate([planes[..., band.first : band.end] @ band.weights.T for band in columns], axis=2)

    def _for(self, shape: tuple[int, ...]) -> "tuple[list[_Band], list[_Band]]":
        if shape not in self._known:
            if len(self._known) >= KNOWN_SIZES:
                self._known.clear()
            rows, columns = self._weights(np.array([1, *shape], np.int64))
            self._known[shape] = (_bands(rows), _bands(columns.T))
        return self._known[shape]


class _Band(NamedTuple):
    """Some rows (or columns) of the small picture: weights (rows, end - first) of the large one's first..end."""

    first: int
    end: int
    weights: NDArray[np.float32]


def _bands(rows: NDArray[np.float32]) -> list[_Band]:
    """Weights (S, H) without the zeros to the left and right of each group of rows; none where they change nothing."""
    if np.array_equal(rows, np.eye(*rows.shape)):
        return []
    bands = []
    for start in range(0, len(rows), BAND):
        some = rows[start : start + BAND]
        used = np.flatnonzero(some.any(axis=0))
        first, end = int(used[0]), int(used[-1]) + 1
        bands.append(_Band(first, end, np.ascontiguousarray(some[:, first:end])))
    return bands


def _core() -> Any:
    import openvino

    return openvino.Core()


def _compile(
    model: "onnx.ModelProto", precision: Precision, shape: tuple[int, ...] | None, threads: int
) -> "CompiledModel":
    core = _core()
    network = core.read_model(model.SerializeToString())
    if shape is not None:
        network.reshape(list(shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    compiled: CompiledModel = core.compile_model(network, "CPU", settings)
    return compiled
