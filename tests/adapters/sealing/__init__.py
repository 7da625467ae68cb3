"""Tests of the only cryptography."""
