"""Amazon's registries: the private one of each account and region, and the public one."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

_HOSTS = (
    "*.dkr.ecr.*.amazonaws.com",
    "*.dkr.ecr.*.amazonaws.com.cn",
    "*.dkr-ecr.*.on.aws",
    "public.ecr.aws",
)

PROVIDER = Provider(
    slug="ecr",
    hosts=_HOSTS,
    registries=_HOSTS,
    help=(
        "Type in AWS and what `aws ecr get-login-password` prints. The registry takes it for 12 "
        "hours. Who asks for it needs AmazonEC2ContainerRegistryPullOnly."
    ),
)
