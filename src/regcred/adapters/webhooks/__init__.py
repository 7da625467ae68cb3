"""Messages to webhooks.

They go out through the guarded transport of `adapters.registries`: tenants choose these
addresses too.
"""
