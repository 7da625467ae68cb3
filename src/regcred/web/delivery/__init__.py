"""The hot path: what pullers ask for, as plain ASGI callables beside the sub-applications."""
