"""Google's registries: Artifact Registry, and the Container Registry names that it took over."""

from __future__ import annotations

from regcred.adapters.registries.provider import Provider

PROVIDER = Provider(
    slug="gcp",
    hosts=("gcr.io", "*.gcr.io", "*.pkg.dev"),
    help=(
        "Type in _json_key and a service account's whole JSON key, or _json_key_base64 and the key "
        "in base64, or oauth2accesstoken and an access token (which lives for an hour). The "
        "account needs the role Artifact Registry Reader."
    ),
)
