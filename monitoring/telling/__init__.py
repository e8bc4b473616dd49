"""What people are told: plots, pages, evidence.

evidence.py  pictures, suspect parts, pages
pictures.py  plots for mails
report.py    pages for people (Evidently)
"""
