"""The only place where tokens of others are read: who is it that a token speaks for.

What is fetched here comes from where the operator said, never from where a token points.
"""
