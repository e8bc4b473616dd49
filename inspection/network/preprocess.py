"""Resize and normalise as an ONNX graph: the one that features are made with and that every package contains.

The resize is two matrix products whose triangle weights the graph works out from the image's own size. That
equals Pillow's antialiased BILINEAR, for any size, in any runtime (docs/decisions/0001).
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

OPSET, IR = 17, 8
SHAPE, WEIGHTS = "shape", ("rows", "columns_turned")  # tensors inside: the weights follow from the shape alone


def preprocess(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> "onnx.ModelProto":
    """The graph image -> pixels.

    Args:
        size: side of the square that comes out, in pixels.
        mean, std: per channel (red, green, blue), on the scale 0..1.

    Returns:
        A model from `image` (N, H, W, C) float32 0..255, C = 1 or 3, to `pixels` (N, 3, size, size).
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: object) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weights(name: str, axis: int) -> str:
        """(size, n) weights of the triangle filter along an axis of n pixels; each row adds up to 1."""
        count = op("Gather", ["shape", constant(f"{name}_axis", np.int64(axis))], f"{name}_count")
        length = op("Cast", [count], f"{name}_length", to=TensorProto.FLOAT)
        scale = op("Div", [length, "size"], f"{name}_scale")
        support = op("Max", [scale, "unit"], f"{name}_support")
        centre = op("Mul", ["centres", scale], f"{name}_centre")
        index = op("Range", ["zero", count, "one"], f"{name}_index")
        at = op("Add", [op("Cast", [index], f"{name}_number", to=TensorProto.FLOAT), "half"], f"{name}_at")
        distance = op("Abs", [op("Sub", [at, centre], f"{name}_offset")], f"{name}_distance")
        slope = op("Sub", ["unit", op("Div", [distance, support], f"{name}_relative")], f"{name}_slope")
        triangle = op("Relu", [slope], f"{name}_triangle")
        total = op("ReduceSum", [triangle, "last"], f"{name}_total", keepdims=1)
        return op("Div", [triangle, total], name)

    for name, value in (("zero", np.int64(0)), ("one", np.int64(1)), ("last", np.array([1], np.int64))):
        constant(name, value)
    for name, number in (("half", 0.5), ("unit", 1.0), ("size", float(size))):
        constant(name, np.float32(number))
    constant("centres", (np.arange(size, dtype=np.float32) + np.float32(0.5))[:, None])
    op("Shape", ["image"], "shape")
    rows, columns = weights("rows", 1), weights("columns", 2)
    op("Transpose", ["image"], "planes", perm=[0, 3, 1, 2])
    op("MatMul", [rows, "planes"], "short")
    op("MatMul", ["short", op("Transpose", [columns], WEIGHTS[1], perm=[1, 0])], "square")
    constant("mean", np.asarray(mean, np.float32)[:, None, None] * np.float32(255))
    constant("std", np.asarray(std, np.float32)[:, None, None] * np.float32(255))
    op("Div", [op("Sub", ["square", "mean"], "centred"), "std"], "pixels")
    graph = helper.make_graph(
        nodes,
        "preprocess",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", "h", "w", "c"])],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, size, size])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return model
