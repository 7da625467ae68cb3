"""The only cryptography: envelopes, key rings, digests, cursors and the audit chain.

Everything that is stored or shown in a sealed form is described in docs/sealing.md, with known
answers; where this package and that page disagree, one of them is wrong.
"""
