"""What keeps a plant from working, or leaves it open: `andon doctor` asks in turn, one question a file, and changes
nothing. What could not be asked is said and never called well.

account.py     who runs it
answer.py      one answer: well, wrong or unknown, since when, and what mends it
clock.py       the clock of this computer against the record
disk.py        room for the next retrain and ingest, and for how many days
everything.py  all questions in turn
mail.py        whether a mail would leave this computer
record.py      whether git lets Andon write
remote.py      whether the remote can be reached, and what waits for it
runs.py        what no run has taken in or looked at in time, by the record
secrets.py     files with secrets that others may read
server.py      the Prefect server: open or closed, its worker, its late runs
versions.py    what is installed against what belongs together
"""
