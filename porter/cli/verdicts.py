"""What a target's port makes of a rule, without looking at a tree."""

from __future__ import annotations

from collections.abc import Mapping

from porter.model import Rule, Target
from porter.plan.selection import OPTIONAL, skip_reason
from porter.render.catalog import MADE


def verdict(rule: Rule, target: Target, versions: Mapping[str, str]) -> str:
    """``made``, or why the rule is not: the reason that a port would record.

    Args:
        versions: Package -> version that is ported.
    """
    packages = [package for package in rule.packages if package in versions]
    if not packages:
        return f"the pins of {target.name} have no {' or '.join(rule.packages)}"
    reasons = [skip_reason(rule, target, package, versions) for package in packages]
    if "" not in reasons:
        return reasons[0]
    return OPTIONAL if rule.optional and rule.id not in target.ask else MADE
