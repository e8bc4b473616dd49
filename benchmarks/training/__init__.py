"""Retraining against full fine-tuning, on a real folder: `python -m benchmarks.training --data DIR`.

added.py       a class that the model did not know, from a few labelled images
bench.py       what a run stands on, and what is asked for
comparison.py  both sides over the folds
folder.py      a folder of labelled pictures, in folds that share no part
memory.py      the most memory that a training held
opening.py     a bench on a folder; what was measured is kept as long as it stays true
ours.py        our side: trainings, and what they call pictures
peer.py        full fine-tuning by a usual recipe
theirs.py      the peer on the bench
"""
