"""The numbers that the documents claim: `python -m benchmarks.NAME [--data DIR] --out FILE.json`; what taking images in
costs has a room of its own, `ingest`.

alarms.py    the incidents that measured windows in a row make
costs.py     what one image costs at every cut of the network
drift.py     how well changes of a camera are found and named
embed.py     embedding with the frozen graph against eager torch
escapes.py   estimated against true escape rate under drift
folder.py    a folder of labelled pictures, in folds that share no part
light.py     what changes of light cost the demo's first model
peer.py      full fine-tuning by a usual recipe
peers.py     general drift tests on the same windows
picture.py   what a command printed, as a picture of a terminal
predict.py   what a verdict costs at the line
replayed.py  real pictures before the simulated rig
report.py    a table on the screen, figures in a file
streams.py   windows of drawn cameras, measured once and kept
training.py  retraining against full fine-tuning
transfer.py  what pretraining and freezing save
"""
