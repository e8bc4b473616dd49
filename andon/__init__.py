"""The door: the `andon` command. Thin: it calls flows and prints.

crew.py        the people of the demo's plant
demo.py        the whole loop, day by day, in a scratch copy
query.py       captures, filtered
references.py  references for people: list, show, renewals
show.py        tables for people, JSON for machines
status.py      the state of the plant
tally.py       what came of the demo, in figures
trace.py       one image's story
"""
