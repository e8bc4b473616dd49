"""A module in torch as an ONNX model."""

import io
from typing import TYPE_CHECKING, Any

from inspection.network.preprocess import IR, OPSET

if TYPE_CHECKING:
    import torch


def to_onnx(module: "torch.nn.Module", example: "torch.Tensor", source: str, outputs: list[str]) -> Any:
    """A module as an ONNX model with a free first axis (torch's TorchScript exporter: same bytes each time)."""
    import warnings

    import onnx
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[source],
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in (source, *outputs)},
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.ir_version = IR
    return model
