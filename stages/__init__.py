"""What is computed: one file per stage in dvc.yaml, same name. Read -> pure function -> write.

compare.py   candidate and champion -> decision
embed.py     images -> features, only new ones
evaluate.py  the package, from files, on test -> metrics
plan.py      what there is to learn + unit costs -> how deep, on how many views, how long
snapshot.py  cut -> labelled table
split.py     table + assignments -> train, val, test; no part and no picture in two
train.py     the plan, train + val -> candidate package
templates/   the page of a data set
validate.py  table -> Great Expectations verdict, near-duplicates, the data set's health
"""

import sys

from inspection import garbage
from inspection.process import tether

if sys.argv[:1] == ["-m"]:  # `python -m stages.NAME` is about to import it
    tether.tie()
    garbage.rest()
