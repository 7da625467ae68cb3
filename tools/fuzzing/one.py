"""Run one target in this process until it breaks or its executions are done; `fuzz.py` calls it.

one.py TARGET PLANT CORPUS [libFuzzer's options]: PLANT is "", "defect" or "hang", and CORPUS a
folder that gets the target's seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["targets", "regcred", "www_authenticate", "docker_image"]):
    import targets


def main() -> None:
    name, plant, corpus, *options = sys.argv[1:]
    for number, seed in enumerate((*targets.SEEDS[name], *targets.PLANT_SEEDS[plant])):
        Path(corpus, str(number)).write_bytes(seed)
    target = targets.TARGETS[name]
    planted = targets.PLANTS[plant]

    def once(data: bytes) -> None:
        target(data)
        planted(data)

    atheris.Setup([sys.argv[0], corpus, *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
