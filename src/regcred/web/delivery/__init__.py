"""What pullers get: the hot path as plain ASGI callables beside the sub-applications, and `forms`.

A form of a hand-out is a pure function; the native dialect has its routes.
"""
