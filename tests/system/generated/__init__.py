"""Requests that schemathesis makes up from a document, sent to a running service and judged."""
