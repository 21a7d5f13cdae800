"""What a sender takes: `looks.py` finds what is due, `admission.py` chooses, `claim.py` loads all it needs.

What can never be sent is put `aside.py`. The room reads what the sender remembers (`memory/`), and knows
neither the loop that asks nor how it is recorded.
"""
