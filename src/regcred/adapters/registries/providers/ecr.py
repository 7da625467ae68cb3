"""Amazon's registries: the private one of each account and region, and the public one."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="ecr",
    title="Amazon ECR",
    # As the kubelet's own provider configuration lists them, FIPS and isolated regions included.
    hosts=(
        "*.dkr.ecr.*.amazonaws.com",
        "*.dkr.ecr-fips.*.amazonaws.com",
        "*.dkr.ecr.*.amazonaws.com.cn",
        "*.dkr-ecr.*.on.aws",
        "*.dkr-ecr-fips.*.on.aws",
        "*.dkr-ecr.*.on.amazonwebservices.com.cn",
        "*.dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "*.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
        "public.ecr.aws",
    ),
    help=(
        "Type in AWS and what `aws ecr get-login-password` prints. The registry takes it for 12 "
        "hours. Who asks for it needs AmazonEC2ContainerRegistryPullOnly."
    ),
    lifetime="12 hours.",
    link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
)
