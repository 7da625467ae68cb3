"""The store's nouns, written once: the statements and rows that both databases share.

Coroutines throughout, because PostgreSQL is far away; on SQLite none of them ever suspends.
"""
