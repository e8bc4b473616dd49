"""From a candidate to the line: what is asked for, judged, approved and released, and which parts a change leaves in
doubt until then.

approval.py    who approved what, until when
aside.py       labelled images that are set aside, and what brings them back
forgetting.py  what a candidate lost of what the champion knew
heads.py       the record's last hashes: for a day's mail, and as a tag of git
pieces.py      what people say of serials that came again long after
promotion.py   decide(candidate, champion, rules)
readiness.py   whether there is enough for a first model
registry.py    releases, what is live (GTO)
requests.py    what a retrain waits for
rulings.py     what people say of incidents: their images, their parts
suspicion.py   which parts were judged by a model that did not know a change
warrant.py     what a release stands on, as git, its tag and DVC have it
"""
