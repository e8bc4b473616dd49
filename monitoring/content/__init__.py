"""What the pictures show, apart from how the camera sees it.

drift.py  what the pictures show -> new product, changed mix, changed surface, defect rate
"""
