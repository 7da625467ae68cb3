"""The schema's history: each revision runs once, in one transaction, and never changes again."""
