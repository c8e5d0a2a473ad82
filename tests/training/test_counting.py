"""What is counted on the host: operators, shapes that depend on data, and new signatures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from porter.training.counting import HostCounters  # noqa: E402

pytestmark = pytest.mark.torch

MASK = torch.tensor([True, False, True])
X = torch.arange(3.0)


def counted(*works: Callable[[], object]) -> list[dict[str, int]]:
    """What each piece of work was counted as, one step each."""
    counters, found = HostCounters(), []
    for work in works:
        counters.start()
        work()
        counters.pause()
        torch.zeros(7, 7).nonzero()  # of what follows nothing counts
        found.append(counters.take())
    return found


@pytest.mark.parametrize(
    ("work", "dynamic"),
    [
        pytest.param(lambda: X + X, 0, id="a sum"),
        pytest.param(lambda: X[MASK], 1, id="a mask as index"),
        pytest.param(lambda: X[torch.tensor([0, 1])], 0, id="numbers as index"),
        pytest.param(lambda: MASK.nonzero(), 1, id="nonzero"),
        pytest.param(lambda: X.clone().__setitem__(MASK, 1.0), 1, id="put by a mask"),
        pytest.param(lambda: X.unique(), 1, id="unique"),
    ],
)
def test_shapes_that_depend_on_the_data(work: Callable[[], object], dynamic: int) -> None:
    (found,) = counted(work)
    assert found["dynamic_shape_ops"] == dynamic
    assert found["host_syncs"] == dynamic


def test_the_host_waits_for_a_number() -> None:
    (found,) = counted(lambda: X.sum().item())
    assert (found["host_syncs"], found["dynamic_shape_ops"]) == (1, 0)


def test_a_signature_is_new_once() -> None:
    one, again, wider, other = counted(
        lambda: X + X, lambda: X + X, lambda: torch.cat([X, X]), lambda: X.double() * 2
    )
    assert one["new_signatures"] == 1
    assert again["new_signatures"] == 0
    assert again["op_calls"] == 1
    assert wider["new_signatures"] == 1
    assert other["new_signatures"] == 2


def test_the_backward_pass_counts_too() -> None:
    weight = torch.ones(3, requires_grad=True)
    forward, both = counted(lambda: (weight * X).sum(), lambda: (weight * X).sum().backward())
    assert both["op_calls"] > forward["op_calls"]
