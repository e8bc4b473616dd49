"""What a change costs, and what is to be done.

changes.py        measured changes, laid on images
escapes.py        how many defective parts pass and good ones are rejected, before and now, or why nobody knows
labelling.py      the fewest labelled parts that tell something
mixture.py        rates of rehearsed parts, mixed as the present calls say
parts.py          what a model said, folded to parts
probabilities.py  what a model's own probabilities expect
rates.py          shares of parts with their interval
rehearsal.py      what a change costs a model: laid on, or seen
routing.py        verdict -> repair, watch, label or retrain
weighing.py       an incident -> its cost and its escapes
"""
