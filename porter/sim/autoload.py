"""Children of a simulated process see the device too.

The spec travels in an environment variable. A folder on ``PYTHONPATH`` holds a package record
with an entry point of the group ``torch.backends``, by which torch loads plugins at the end
of ``import torch``. So porter needs not be installed for it, and an ordinary ``import torch``
elsewhere never meets it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from porter.sim.spec import Spec
from porter.source.cache import Cache

SPEC_VARIABLE = "PORTER_SIM_SPEC"
RECORD = {
    "METADATA": "Metadata-Version: 2.1\nName: porter-sim-autoload\nVersion: 1\n",
    "entry_points.txt": "[torch.backends]\nporter_sim = porter.sim.autoload:autoload\n",
}


def announce(spec: Spec) -> None:
    """Have processes that this one starts from now on simulate the same chip.

    Raises:
        WriteError: If the cache folder cannot be written.
    """
    os.environ[SPEC_VARIABLE] = spec.to_json()
    wanted = [str(_bootstrap(Cache())), str(Path(__file__).resolve().parents[2])]
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = wanted + [path for path in before if path and path not in wanted]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    # multiprocessing's spawn gives a child its parent's sys.path in place of PYTHONPATH.
    sys.path.extend(path for path in wanted if path not in sys.path)


def _bootstrap(cache: Cache) -> Path:
    folder = cache.root / "sim" / "autoload"
    record = folder / "porter_sim_autoload-1.dist-info"
    with cache.writing():
        record.mkdir(parents=True, exist_ok=True)
        for name, text in RECORD.items():
            if not (record / name).exists():
                part = record / f".{name}.{os.getpid()}"
                part.write_text(text, encoding="utf-8")
                part.replace(record / name)
    return folder


def autoload() -> None:
    """What torch calls at the end of ``import torch`` in a child process."""
    text = os.environ.get(SPEC_VARIABLE)
    if text:
        from porter.sim.install import install_spec

        install_spec(Spec.from_json(text))
