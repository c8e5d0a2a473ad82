"""The audit of the releases as they are, and of their ports: what is left is nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from porter.apply import apply
from porter.audit.model import Report
from porter.audit.run import AuditRequest, audit
from porter.port.request import Request
from porter.rulebook.catalog import get_target, load_rules
from porter.source import Cache

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

Ported = Callable[[str], Path]


@pytest.fixture(scope="module")
def ported(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Ported:
    def make(target: str) -> Path:
        into = tmp_path_factory.mktemp(target) / "vendor"
        request = Request(get_target(target), tuple(load_rules()), into, offline=True)
        apply(request, Cache(upstream_cache))
        return into

    return make


def look(folder: Path, target: str) -> Report:
    return audit(AuditRequest(get_target(target), tuple(load_rules()), folder))


@pytest.mark.parametrize("target", ["sdaa", "npu", "gcu", "musa", "xpu"])
def test_nothing_is_open_in_a_port_but_operators_without_a_kernel(
    ported: Ported, target: str
) -> None:
    report = look(ported(target), target)
    assert not [f for f in report.findings if f.cls == "open" and not f.accepted]
    accepted = [f for f in report.findings if f.accepted]
    assert accepted
    assert {f.kind for f in accepted} == {"op"}
    assert {f.path.rpartition("/")[0] for f in accepted} == {"mmcv/mmcv/ops"}


def test_the_releases_have_much_open_and_each_has_a_rule(ported: Ported) -> None:
    from porter.apply import revert

    into = ported("sdaa")
    revert(into)
    report = look(into, "sdaa")
    left = [f for f in report.findings if f.cls == "open" and not f.accepted]
    assert len(left) >= 60
    assert {f.package for f in left} == {"mmengine", "mmcv", "mmdet"}
    assert [f for f in left if not f.rule] == []
