"""What git holds of the record, and what may be written behind it.

account.py    the account that a plant is written under: a word where it is root
branch.py     on which branch a plant writes, and what of git's own work is not finished
identity.py   which plant this is, and the mark that its remote and its backups bear
named.py      which of DVC's objects commits name
points.py     revisions that the record has to go on from: what was recorded last, a day's tag, another clone's
prefix.py     chained files hold, byte for byte, what a revision has of them
writing.py    whether a plant may be written to, asked before the first effect
"""
