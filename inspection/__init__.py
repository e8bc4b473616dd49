"""What stages, flows and monitoring share. Rooms, from the top: post, verify, release, model, scale, network, records,
intake, pictures, anchor; process and outside at the foot; and the ground that they all stand on, one noun a file.

backlog.py      what still has to be pushed
cameras.py      what each camera delivers
chain.py        append-only lines, each with the hash of the one before
clock.py        the one clock
errors.py       refusals, named after what to do, and words as a terminal may be shown them
files.py        write a file whole or not at all, and sheets that a spreadsheet does not compute
fingerprint.py  the code that a stage runs, as one hash
garbage.py      Python's search for reference cycles, kept off what stays
git.py          commits by explicit path
layout.py       where things lie
lock.py         locks that name their holder
memory.py       freed memory stays with the process
params.py       the YAML files, checked
progress.py     progress bars
record.py       frozen records of YAML and JSON files, and mistakes in words
sources.json    which files each stage reaches by import
tables.py       the tables between stages
taxonomy.py     the classes
worktree.py     a second checkout for long work
"""
