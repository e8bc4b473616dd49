"""What looks at a picture: the pretrained network that stays frozen, and where it must not look.

activations.py  what the frozen blocks said of a table's images, batch by batch
backbone.py     a network in torch, pretrained or drawn at random
blocks.py       a classifier as blocks in a row
export.py       a module in torch as an ONNX model
features.py     what the frozen network said of an image, kept
frozen.py       the frozen network as a graph, made once and kept
graph.py        a stretch of an ONNX graph, compiled (OpenVINO)
masks.py        where a model must not look
preprocess.py   resize and normalise, as a graph
shelf.py        a folder that several computers share: features, networks and settings by hash
views.py        mirrored, turned and otherwise lit pictures
weights.py      pretrained weights: from where, and checked
"""
