"""The numbers that the documents claim: `python -m benchmarks.NAME [--data DIR] --out FILE.json`. Rooms: drift,
ingest, kills, outside, tampering and training.

costs.py     what one image costs at every cut of the network
embed.py     embedding with the frozen graph against eager torch
escapes.py   estimated against true escape rate under drift
light.py     what changes of light cost the demo's first model
picture.py   what a command printed, as a picture of a terminal
predict.py   what a verdict costs at the line
report.py    a table on the screen, figures in a file
scale.py     pictures on a cluster against none, and workers that are killed
transfer.py  what pretraining and freezing save
unit_costs.py  what a camera and a picture cost, and what that makes of 100,000 cameras
"""
