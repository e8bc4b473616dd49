"""What comes in: files, their names, and what a row has to satisfy.

arrivals.py    what lies in an inbox: images, and the sheets that describe them
bucket.py      an inbox that is a bucket (boto3)
contract.py    the verdict on a batch, and on a table to be trained on
dropped.py     a file as it was found
folder.py      an inbox that is a folder
foreign.py     folders and buckets that are no inbox
inbox.py       what every inbox can do, and which one an address means
likeness.py    small grey copies, and which pictures are the same again
naming.py      what a file's name, or its row in a sidecar, says
pace.py        how many pictures are expected of a camera, and whether it has fallen silent
pages.py       the verdict on a batch, for a browser
reading.py     one file -> a capture, or why it is not taken
returning.py   an inbox to which files come back from quarantine
rules.py       what a row must satisfy
sidecar.py     CSV files in the inbox that describe images
spreadsheet.py a CSV as people save it, read strictly, line by line
staging.py     a batch in the making: who is accepted and who refused
suite.py       rules, and what they said of a table (Great Expectations)
"""
