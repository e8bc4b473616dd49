"""From a candidate to the line: what is asked for, judged, approved and released.

approval.py    who approved what, until when
forgetting.py  what a candidate lost of what the champion knew
promotion.py   decide(candidate, champion, rules)
registry.py    releases, what is live (GTO)
requests.py    what a retrain waits for
"""
