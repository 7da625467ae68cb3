"""Backups of the store: made beside a server, checked by really opening them, put in place."""
