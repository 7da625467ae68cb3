"""Keep the pull secrets of a cluster in step with a project's logins (docs/kubernetes-sync.md).

`cluster` and `leases` speak to Kubernetes; what is decided stands in `reconcile`, when in `keeper`.
"""
