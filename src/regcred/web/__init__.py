"""Who speaks HTTP to us: shared borders here, one wire language per folder in `dialects`."""
