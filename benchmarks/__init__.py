"""The numbers that the documents claim: `python -m benchmarks.NAME [--data DIR] --out FILE.json`. Rooms: drift,
ingest, outside and training.

costs.py     what one image costs at every cut of the network
embed.py     embedding with the frozen graph against eager torch
escapes.py   estimated against true escape rate under drift
light.py     what changes of light cost the demo's first model
picture.py   what a command printed, as a picture of a terminal
predict.py   what a verdict costs at the line
report.py    a table on the screen, figures in a file
transfer.py  what pretraining and freezing save
"""
