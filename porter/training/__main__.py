"""``PYTHON porter/training/__main__.py JOB.json``: carry out one job, and record it.

torchrun starts the same script. Run by its path it needs no installed porter: it makes the
package ``porter`` known by its folder, without putting that folder's neighbours on ``sys.path``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def know_porter() -> None:
    """Make ``import porter.training`` work, and nothing else of where porter lives."""
    folder = Path(__file__).resolve().parent
    # The script's own folder comes first otherwise, and its modules would hide others.
    sys.path[:] = [path for path in sys.path if not path or Path(path).resolve() != folder]
    if "porter" in sys.modules:
        return
    package = folder.parent
    spec = importlib.util.spec_from_file_location(
        "porter", str(package / "__init__.py"), submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["porter"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    if not __package__:
        know_porter()
    from porter.training.run import main

    sys.exit(main(sys.argv[1:]))
