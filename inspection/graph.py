"""A stretch of an ONNX graph, compiled by OpenVINO (the only file that imports it)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx
    from openvino import CompiledModel, InferRequest

Precision = Literal["f32", "bf16"]

# Four 224-pixel images keep the widest layer in the second-level cache: 310 images/s against 240 with sixteen.
BATCH = 4


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

    def __init__(self, path: Path) -> None:
        import onnx

        self._model: onnx.ModelProto = onnx.shape_inference.infer_shapes(onnx.load(path))

    def stretch(self, source: str, outputs: Sequence[str], precision: Precision, batch: int | None = None) -> "Stretch":
        """The nodes between tensor `source` and the tensors `outputs`, compiled.

        Args:
            batch: a fixed first axis; None leaves every axis of the source free.
        """
        from onnx.utils import Extractor

        return Stretch(Extractor(self._model).extract_model([source], list(outputs)), precision, batch)


class Stretch:
    """One stretch: array -> arrays."""

    def __init__(self, model: "onnx.ModelProto", precision: Precision, batch: int | None) -> None:
        self._model, self._precision, self._batch = model, precision, batch
        self._request: InferRequest | None = None  # compiled for the shape of the first array

    def __call__(self, array: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The outputs for an array (N, ...). With a fixed batch, N is cut up and the last piece is filled up with
        zeros, so that an image's result does not depend on its neighbours."""
        if self._batch is None:
            return self._infer(array)
        pieces = [self._fixed(array[start : start + self._batch]) for start in range(0, len(array), self._batch)]
        return [np.concatenate(outputs) for outputs in zip(*pieces, strict=True)]

    def _fixed(self, array: NDArray[np.float32]) -> list[NDArray[Any]]:
        count = len(array)
        if count < self._batch:  # type: ignore[operator]
            filled = np.zeros((self._batch, *array.shape[1:]), np.float32)
            filled[:count] = array
            array = filled
        return [output[:count] for output in self._infer(array)]

    def _infer(self, array: NDArray[np.float32]) -> list[NDArray[Any]]:
        if self._request is None:
            shape = None if self._batch is None else array.shape
            self._request = _compile(self._model, self._precision, shape).create_infer_request()
        outputs = self._request.infer([np.ascontiguousarray(array)], share_inputs=True)
        return [np.array(output) for output in outputs.values()]


def _core() -> Any:
    import openvino

    return openvino.Core()


def _compile(model: "onnx.ModelProto", precision: Precision, shape: tuple[int, ...] | None) -> "CompiledModel":
    core = _core()
    network = core.read_model(model.SerializeToString())
    if shape is not None:
        network.reshape(list(shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
        "ENABLE_CPU_PINNING": False,
    }
    compiled: CompiledModel = core.compile_model(network, "CPU", settings)
    return compiled
