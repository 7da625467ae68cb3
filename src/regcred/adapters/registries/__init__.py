"""Real registries: the only place from which targets that a tenant chooses are reached.

Requests are made by pure generators (handshake.py), sent by one bounded client (client.py) and
connect through one guarded backend (transport.py).
"""
