"""The composition root: settings become a running service here, and only here."""
