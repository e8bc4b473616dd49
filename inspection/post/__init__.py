"""Letters to people: their words, and how they are delivered.

audit_letter.py      files that are not what the record says
camera_letters.py    a planned change of a camera: announced, held up, over; a reference not made again
causes.py            each cause in words, and what to do first
checks.py            what of a plant is not as it has to be: asked by status and by the daily mail
compared.py          when what is kept was last compared with the record, and what came of it
costs.py             what a change costs, in words
daily_letter.py      how all cameras are, once a day
incident_letters.py  an incident: open, over, or costlier than was estimated
letter.py            what a letter holds
mail.py              a letter as a mail: text, page, files
model_letters.py     a model that waits for a decision, was refused, or went to the line
outbox.py            mails that wait, and those that were sent
secrets.py           files of the plant that hold a password or a key
smtp.py              the mail server, and what it says
templates/           mails as HTML and as text
wording.py           places, times and sizes as people read them
"""
