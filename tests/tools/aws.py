"""Amazon's API as moto plays it, in the mode in which it checks every signature.

Its ECR gives logins that ended in 2015, so whoever asks it must live before that.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from tests.tools.programs import LOOPBACK, Daemon, environment, free_port, http_status

ENDS = datetime(2015, 1, 1, tzinfo=UTC)
"""When every login that moto gives ends."""

NOW = ENDS - timedelta(hours=12)

LOGIN = ("AWS", "123456789012-auth-token")
"""What moto gives to everyone whose signature is right."""

_FREE = 6
_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def another(secret: str) -> str:
    """Return a secret of the same form that is another one."""
    return ("y" if secret[0] == "x" else "x") + secret[1:]


@dataclass(frozen=True, slots=True)
class Moto:
    """A running one with one user, who has a key, and a role that the user may become."""

    url: str
    key_id: str
    secret: str = field(repr=False)
    role: str

    @property
    def endpoints(self) -> dict[str, str]:
        """Return what the operator says so that regcred asks it."""
        return {"ecr": self.url, "ecr-public": self.url, "sts": self.url}


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Moto]:
    """Run moto until the block ends."""
    port = free_port()
    daemon = Daemon(
        [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)],
        env=environment(folder, INITIAL_NO_AUTH_ACTION_COUNT=str(_FREE)),
        logs=folder / "logs",
        name="moto",
    )
    try:
        daemon.wait_ready(lambda: http_status(port, "/moto-api/") is not None)
        yield _populated(f"http://{LOOPBACK}:{port}")
    finally:
        daemon.stop()


def _populated(url: str) -> Moto:
    """Make the user and the role with the calls that need no signature, and use those up."""
    iam: Any = boto3.client(
        "iam",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="anyone",
        aws_secret_access_key="anything",
    )
    policy = json.dumps({"Version": "2012-10-17", "Statement": [_ANYTHING]})
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.create_user(UserName="puller")
    key = iam.create_access_key(UserName="puller")["AccessKey"]
    iam.put_user_policy(UserName="puller", PolicyName="all", PolicyDocument=policy)
    role = iam.create_role(
        RoleName="registry",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="registry", PolicyName="all", PolicyDocument=policy)
    iam.list_users()
    return Moto(url, key["AccessKeyId"], key["SecretAccessKey"], role)
