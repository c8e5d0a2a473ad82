"""What a run was asked to be, as the checks need to know it; and how a check is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from porter.verify.model import Check, Place


@dataclass(frozen=True)
class Asked:
    """What the ported tree was asked for.

    Attributes:
        place: Where it was to train.
        device: ``torch.device`` type that parameters should be on; ``cpu`` on the host.
        backend: Of the target's communication; only looked at with several ranks on a chip.
        steps: Optimizer steps.
        ranks: Processes on this machine.
        nodes: Machines; each judges the ranks of its own.
        node: Which of them this is.
        devices: Devices of the chip on this machine; 0 if that is not known.
        amp_dtype: As torch calls it; the gradient scaler serves ``float16`` alone.
        tells_memory: Whether the chip tells the peak of its memory, so that the log can.
    """

    place: Place
    device: str
    backend: str
    steps: int
    ranks: int = 1
    nodes: int = 1
    node: int = 0
    devices: int = 0
    amp: bool = False
    amp_dtype: str = "float16"
    eval: bool = False
    tells_memory: bool = False

    @property
    def world(self) -> int:
        """Processes on all machines."""
        return self.ranks * self.nodes

    @property
    def local(self) -> range:
        """The ranks that run on this machine."""
        return range(self.node * self.ranks, (self.node + 1) * self.ranks)

    @property
    def of_baseline(self) -> Asked:
        """What upstream was asked for: every machine trains all ranks of it on its own host."""
        return replace(self, place="cpu", device="cpu", ranks=self.world, nodes=1, node=0)

    @property
    def rounded(self) -> bool:
        """Whether the port's arithmetic may honestly round in another way than the host's."""
        return self.amp or self.place == "real"


def checked(name: str, problems: Iterable[str], *, value: str = "", limit: str = "") -> Check:
    """A check that fails with the first problem, and passes without one."""
    problem = next(filter(None, problems), "")
    return Check(name, "fail" if problem else "pass", value, limit, problem)
