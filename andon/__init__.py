"""The door: the `andon` command. Thin: it calls flows and prints.

commented.py   settings as YAML whose comments stay
crew.py        the people of the demo's plant
demo.py        the whole loop, day by day, in a plant of its own
founding.py    a new plant: a git and DVC repository without product code
like.py        what a folder of example pictures says of a plant
query.py       captures, filtered
references.py  references for people: list, show, renewals
show.py        tables for people, JSON for machines
status.py      the state of the plant
tally.py       what came of the demo, in figures
template/      what a new plant holds: links to this checkout's own settings
trace.py       one image's story
upgrading.py   a plant of an earlier Andon -> the installed one
"""
