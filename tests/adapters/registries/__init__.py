"""Tests of the handshake, the guarded transport and the providers."""
