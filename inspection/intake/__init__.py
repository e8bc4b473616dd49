"""What comes in: files, their names, their pixels, and what a row has to satisfy.

contract.py  what a row must satisfy (Great Expectations)
images.py    decode, nothing more
inbox.py     what cameras drop: a folder, or a bucket (boto3)
likeness.py  small grey copies, and which pictures are the same again
naming.py    what a file's name, or its row in a sidecar, says
sidecar.py   CSV files in the inbox that describe images
"""
