"""From what happened to deliveries: one message, and a row for each endpoint that asks for it.

`happened.py` loads what happened, `message.py` writes it down, `audience.py` finds for whom, and `stage.py`
is the stage of the three. The room knows what endpoints ask for, and no sender.
"""
