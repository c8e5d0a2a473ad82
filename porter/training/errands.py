"""The jobs that train nothing, for both generations of the mm packages."""

from __future__ import annotations

from porter.training.book import Book
from porter.training.errors import CannotTrain
from porter.training.job import Job

ERRANDS = ("demo", "onnx")


def run(job: Job, book: Book) -> None:
    """Carry out a demo or an export whose process is prepared.

    Raises:
        CannotTrain: If the job cannot be done by these packages, or with these files.
        Exception: Whatever the tree or the device raises.
    """
    modern = "mmengine" in job.trees
    if job.task == "demo" and modern:
        from porter.training.mm3.demo import demo as carry_out
    elif job.task == "demo":
        from porter.training.mm2.demo import demo as carry_out
    elif not modern:
        from porter.training.mm2.export import export as carry_out
    else:
        raise CannotTrain("mmdet 3 has no exporter to ONNX of its own")
    carry_out(job, book)
