"""What other programs keep of registry logins, read as logins that can be stored.

The rule: what cannot be read is named and skipped, and no value is ever part of the reason.
"""
