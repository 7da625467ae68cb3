"""What `regcred doctor` finds on a machine: each part looks at one thing and returns findings.

No finding holds a secret: files' values are never quoted, only where they stand.
"""
