"""Letters to people: their words, and how they are delivered.

letters.py  the words of mails
mail.py     messages to people: SMTP, or an outbox folder
templates/  mails as HTML and as text
"""
