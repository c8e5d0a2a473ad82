"""What ``porter verify`` says of a port with one small wrong edit, edit by edit.

    python -m tests.verify.study_mutations RESULTS.json [NAME...]

Writes after each mutation what came of it, and in the end a table; what RESULTS.json has already
is not done again. ``docs/verify-mutations.md`` rests on it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun
from porter.source import Cache
from tests.verify.mutations import MUTATIONS, Mutation
from tests.verify.world import World, failed, once_a_process, training_python

#: More than a test takes: what moves slowly has time to be seen.
STEPS, IMAGE = 5, 96


def broken(world: World, mutation: Mutation) -> Path:
    """The ported packages with one file edited."""
    name = re.sub(r"\W+", "-", mutation.name)
    return world.copy(f"mutated-{name}", {mutation.file: mutation.edit})


def outcome(world: World, mutation: Mutation) -> dict[str, Any]:
    """What the verification says: its outcome, the checks that failed, and all figures."""
    began = time.monotonic()
    settings = {"steps": STEPS, "image_size": IMAGE, **mutation.run}
    try:
        found = world.verify(broken(world, mutation), mutation.model, **settings)
    except CouldNotRun as error:
        return {"outcome": "could not run", "failed": {"": error.message}}
    return {
        "outcome": found.verdict.outcome,
        "failed": {name: check.value or check.detail for name, check in failed(found).items()},
        "figures": {check.name: check.value for check in found.verdict.checks if check.value},
        "seconds": round(time.monotonic() - began, 1),
    }


def table(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: one mutation a line, with the first two checks that fail."""
    lines = ["| edit | run | verdict | by |", "|---|---|---|---|"]
    for mutation in MUTATIONS:
        if found := known.get(mutation.name):
            said = "; ".join(" ".join(pair).strip() for pair in list(found["failed"].items())[:2])
            cells = (mutation.name, mutation.asked, found["outcome"], said)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(results: Path, *names: str) -> None:
    """Verify the mutations that are not in the file yet, or those whose name holds a word."""
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as root:
        once_a_process(patch)
        world = World(Cache(), Path(root), training_python())
        for mutation in MUTATIONS:
            told = not names or any(name in mutation.name for name in names)
            if told and mutation.name not in known:
                known[mutation.name] = outcome(world, mutation)
                results.write_text(json.dumps(known, indent=1), encoding="utf-8")
    print(table(known))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
