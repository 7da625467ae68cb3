"""Make a small OCI image by hand: an image layout that skopeo can copy anywhere."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def make_layout(folder: Path, *, tag: str = "v1", seed: str = "") -> str:
    """Write an image layout with one image of two layers and return its manifest's digest.

    The same `seed` and `tag` give the same bytes; another seed shares no blob with it.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    tars = [_tar(f"{part}.txt", f"{part} of {seed}\n".encode()) for part in ("base", "app")]
    layers = [put(gzip.compress(tar, mtime=0), _LAYER) for tar in tars]
    config = put(
        _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": {"seed": seed}},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars],
                },
            }
        ),
        _CONFIG,
    )
    manifest = put(
        _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}),
        _MANIFEST,
    )
    named = {**manifest, "annotations": {"org.opencontainers.image.ref.name": tag}}
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(
        _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [named]})
    )
    digest: str = manifest["digest"]
    return digest


def _tar(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
