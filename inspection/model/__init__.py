"""What is trained, judged and packed.

calibration.py  temperature and threshold, by what a package says of the validation images
candidate.py    the card of a candidate
champion.py     which package a training run is compared with
epochs.py       the epoch that a training has kept
head.py         a head with rows for classes more, to be tuned
metrics.py      escapes, false rejects, recall, with intervals
package.py      the classifier as it goes to the line
plan.py         how deep, on how many views and how long a training goes
probe.py        a linear model on frozen features: the baseline and the head to start from
prototypes.py   a head that knows a new class by the few pictures that show it
scoring.py      a package's verdict on a table of images
sets.py         what is trained on, and what is validated on
shortcuts.py    what a model might learn instead of the defect
tail.py         what is trained: the blocks behind the cut, and the head
training.py     the plan obeyed: from activations to a tuned network
transfer.py     what pretraining gave and tuning changed; a part never seen
tuning.py       fine-tuning, epoch by epoch; killed, it goes on
"""
