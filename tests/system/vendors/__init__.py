"""The vendors' own clients against a service that runs."""
