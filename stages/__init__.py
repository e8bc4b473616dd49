"""What is computed: one file per stage in dvc.yaml, same name. Read -> pure function -> write."""

import sys

from inspection import garbage

if sys.argv[:1] == ["-m"]:  # `python -m stages.NAME` is about to import it
    garbage.rest()
