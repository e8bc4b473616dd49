"""What looks at a picture: the pretrained network that stays frozen, and where it must not look.

activations.py  what the frozen blocks said of a table's images, batch by batch
backbone.py     pretrained weights, checked; the frozen graph
features.py     what the frozen network said of an image, kept
graph.py        a stretch of an ONNX graph, compiled (OpenVINO)
masks.py        where a model must not look
preprocess.py   resize and normalise, as a graph
views.py        mirrored, turned and otherwise lit pictures
"""
