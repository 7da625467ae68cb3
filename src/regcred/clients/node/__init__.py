"""What the programs on nodes are made of: the docker helper and the kubelet's plugin.

The standard library alone, in Python 3.9's language. `assembly` puts these modules, one after the
other, into one self-contained file a program; so a name may be defined in one of them only, and
they import one another by `from … import name`.
"""
