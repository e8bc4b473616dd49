"""The door: the `andon` command. Thin: it calls flows and prints. Its words stand in commands, one noun a file, and
andon/__main__.py lists them; here is what they tell.

attempts.py      steps of the demo that may fail, told and kept
classes.py       the declared classes, and how many images bear each
crew.py          the people of the demo's plant
demo.py          the whole loop, day by day, in a plant of its own
evenings.py      the demo's loop, one evening after the other
images.py        images' stories
options.py       options that several commands take
outcome.py       how the demo ended, in words
pieces.py        pieces' stories, image by image
query.py         captures, filtered
references.py    references for people: list, show, renewals
show.py          tables for people, JSON for machines
status.py        the state of the plant
streams.py       what the demo's cameras see, day by day
surroundings.py  the plant around the current folder, Prefect at home in it
tally.py         what came of the demo, in figures
trace.py         one image's story
verdicts.py      what models said of images, then and now
"""
