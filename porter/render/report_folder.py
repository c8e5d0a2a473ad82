"""The report of a verification as a folder of files."""

from __future__ import annotations

import os
from pathlib import Path

from porter.errors import WriteError
from porter.render import plots
from porter.render.curves import loss_curves, ranks_of
from porter.render.report_page import report_page
from porter.render.report_parts import names_of
from porter.verify.model import Verification
from porter.verify.report import report_text
from porter.verify.vendorlog import vendor_log
from porter.write.durable import write_atomically

_PICTURE = (8.0, 5.0)


def write_report(verification: Verification, folder: Path) -> tuple[Path, ...]:
    """Write ``report.json``, ``report.html``, ``loss.png`` and both sides' vendor logs.

    Each file is replaced as a whole; what else is in the folder stays.

    Raises:
        WriteError: If the operating system refuses.
    """
    contents = {
        "report.json": report_text(verification).encode(),
        "report.html": report_page(verification).encode(),
        "upstream.log": vendor_log(verification.baselines[0]).encode(),
        f"{verification.device}.log": vendor_log(verification.ported).encode(),
        **_picture(verification),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_write(folder / name, content) for name, content in contents.items())
    except OSError as error:
        raise WriteError(f"{error.filename or folder}: {error.strerror}") from error


def _picture(verification: Verification) -> dict[str, bytes]:
    """The total loss of the first rank, if there are steps of both sides."""
    curves = [c for rank in ranks_of(verification)[:1] for c in loss_curves(verification, rank)]
    if not curves:
        return {}
    limit = verification.verdict.thresholds.mean
    draw = plots.comparison(curves[0], limit, names_of(verification))
    return {"loss.png": plots.png(draw, _PICTURE)}


def _write(path: Path, content: bytes) -> Path:
    # Of two verifications that report into one folder each file is of one of them.
    write_atomically(path, content, path.with_name(f".{path.name}.{os.getpid()}"))
    return path
