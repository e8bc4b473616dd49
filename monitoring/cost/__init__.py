"""What a change costs, and what is to be done.

escapes.py    how many defective parts pass, without labels, with an interval or not at all
rehearsal.py  what a change costs the live model
routing.py    verdict -> repair, watch, label or retrain
"""
