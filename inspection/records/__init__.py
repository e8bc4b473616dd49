"""What is believed, and the tables that are folded from it.

absence.py      cameras that deliver nothing, or nothing that can be judged
alarms.py       what windows said, and which incidents they open, grow and end
assignments.py  who is in train, val, test
batches.py      immutable batches and their manifests
catalog.py      the database to ask: opened, brought up to date, folded anew
classes.py      declare a class
commissions.py  which reference holds for a camera
database.py     SQLite or PostgreSQL, and their errors in words
fold.py         what has come since, from manifests and ledger into the tables
growth.py       how much a change grows a day
holds.py        batches that a person holds, releases or discards
incidents.py    what went wrong, since when, and what was done
labels.py       which label stands for each image, and which contradict each other
ledger.py       batches, labels, verdicts, incidents as events, and what a training run stands on
migrations/     steps from an older catalog to a newer (Alembic)
quarantine.py   what was refused and is kept: listed, brought back, given up
schema.py       the catalog's tables
sheets.py       label sheets (CSV) that people fill in, from and to the ledger
spec.py         versions of the quality spec, and the labels that a new one makes stale
verdicts.py     what was said of each capture when it came
"""
