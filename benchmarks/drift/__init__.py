"""How well changes of a camera are found and named: `python -m benchmarks.drift`.

alarms.py    the incidents that measured windows in a row make
clean.py     days on which the camera is well
cost.py      what an image costs beside its decoding
injected.py  the faults of the targets, and streams under them
light.py     a lamp told from exposure, and one that fades
peers.py     general drift tests on the same windows
power.py     faults alone, in pairs, and without a model
replayed.py  real pictures before the simulated rig
scale.py     how much is drawn
streams.py   windows of drawn cameras, measured once and kept
"""
