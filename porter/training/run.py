"""One job from its file to its record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from porter.training import errands
from porter.training.book import Book
from porter.training.environment import is_first_generation, prepare, rank
from porter.training.job import Job, read_job
from porter.training.watchdog import end_with_parent


def main(arguments: Sequence[str]) -> int:
    """Carry out the job that the only argument names; 0, or 1 after a recorded failure."""
    end_with_parent()
    job = read_job(Path(arguments[0]))
    book = Book(Path(job.out), rank())
    try:
        carry_out(job, book)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # a tree may well call sys.exit
        book.fail(problem)
        raise_for_log(problem)
        return 1
    finally:
        book.close()
    return 0


def carry_out(job: Job, book: Book) -> None:
    """Prepare the process, and hand the job to the engine of its mm packages."""
    prepare(job)
    if job.task in errands.ERRANDS:
        errands.run(job, book)
        return
    if is_first_generation(job):
        from porter.training.mm2 import tasks as engine
    else:
        from porter.training.mm3 import tasks as engine  # type: ignore[no-redef]

    engine.run(job, book)


def raise_for_log(problem: BaseException) -> None:
    """Print the whole traceback to stderr, which the parent process keeps."""
    import traceback

    traceback.print_exception(type(problem), problem, problem.__traceback__)
