"""Results as JSON: one document a command, keys sorted, the same bytes for the same result.

Each function's docstring is the reference of its document's keys. Lists are sorted, so
that two documents can be compared with ``diff``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from porter.diff import FileDiff, Hunk
from porter.model import Condition, Plan, Rule, Skip, Target
from porter.render.blocks import displayable
from porter.rulebook.operations import KINDS


def dumps(document: Mapping[str, Any]) -> str:
    """The document as text, without a final line end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)


def target_summary(target: Target) -> dict[str, Any]:
    """One entry of ``porter targets list``.

    Keys: ``name``, ``vendor``, ``chip``, ``summary``, ``family``, ``device``, ``backend``,
    ``pins`` (package -> version, the default set).
    """
    return {
        "name": target.name,
        "vendor": target.vendor,
        "chip": target.chip,
        "summary": target.summary,
        "family": target.family,
        "device": target.device,
        "backend": target.backend,
        "pins": dict(target.pins["default"]),
    }


def target_document(target: Target, selected: Sequence[str]) -> dict[str, Any]:
    """``porter targets show``.

    Keys: those of a summary, with ``pins`` holding every set by name, and ``plugin``,
    ``visible_devices``, ``amp_dtypes``, ``documentation``, ``traits`` (trait -> reason),
    ``ask`` (ids of the optional rules it asks for), ``rules`` (ids of the rules that its
    traits select).
    """
    return target_summary(target) | {
        "plugin": target.plugin,
        "visible_devices": target.visible_devices,
        "amp_dtypes": list(target.amp_dtypes),
        "ask": list(target.ask),
        "documentation": target.documentation,
        "traits": dict(target.traits),
        "pins": {name: dict(versions) for name, versions in target.pins.items()},
        "rules": sorted(selected),
    }


def rule_summary(rule: Rule) -> dict[str, Any]:
    """One entry of ``porter rules list``.

    Keys: ``id``, ``why``, ``packages``, ``requires`` and ``native`` (name -> version
    specifier), ``when`` (``all``, ``any``, ``none``: lists of traits), ``optional``.
    """
    return {
        "id": rule.id,
        "why": rule.why,
        "packages": list(rule.packages),
        "requires": _specifiers(rule.requires),
        "native": _specifiers(rule.native),
        "when": _condition(rule.when),
        "optional": rule.optional,
    }


def rule_document(rule: Rule) -> dict[str, Any]:
    """``porter rules show``.

    Keys: those of a summary, and ``source``, ``files``, ``overrides``, ``digest``,
    ``operations`` (each ``kind``, ``within``, ``expect``, ``files``), ``cases`` (each
    ``name``, ``before``, ``after``; ``after`` is null for "must not change").
    """
    return rule_summary(rule) | {
        "source": rule.source,
        "files": list(rule.files),
        "overrides": list(rule.overrides),
        "digest": rule.digest,
        "operations": [
            {
                "kind": kind_of(operation),
                "within": operation.within,
                "expect": str(operation.expect),
                "files": list(operation.files),
            }
            for operation in rule.operations
        ],
        "cases": [
            {"name": case.name, "before": case.before, "after": case.after} for case in rule.cases
        ],
    }


def kind_of(operation: object) -> str:
    """The kind of an operation as a rule file spells it."""
    return next(kind for kind, cls in KINDS.items() if type(operation) is cls)


def plan_document(plan: Plan, **more: Any) -> dict[str, Any]:
    """A plan's part of ``porter apply`` and ``porter diff``.

    Keys: ``target``, ``versions`` (package -> version), ``rules`` (each ``rule``,
    ``package``, ``edits``, ``files``, ``new_files``), ``skips`` (each ``rule``,
    ``package``, ``reason``).
    """
    from porter.render.tally import tally

    return {
        "target": plan.target,
        "versions": dict(plan.versions),
        "rules": [
            {
                "rule": row.rule,
                "package": row.package,
                "edits": row.edits,
                "files": row.files,
                "new_files": row.new_files,
            }
            for row in tally(plan)
        ],
        "skips": [_skip(skip) for skip in sorted_skips(plan.skips)],
        **more,
    }


def diff_document(plan: Plan, diffs: Iterable[FileDiff]) -> dict[str, Any]:
    """``porter diff``.

    Keys: those of a plan, and ``files`` (each ``package``, ``path``, ``name``, ``new``,
    ``added``, ``removed``, ``rules``, ``hunks``; a hunk has ``header``, ``lines``,
    ``rules``).
    """
    return plan_document(plan, files=[_file(diff) for diff in diffs])


def sorted_skips(skips: Iterable[Skip]) -> list[Skip]:
    """Skips by rule and package."""
    return sorted(skips, key=lambda skip: (skip.rule, skip.package))


def _file(diff: FileDiff) -> dict[str, Any]:
    return {
        "package": diff.package,
        "path": diff.path,
        "name": diff.name,
        "new": diff.is_new,
        "added": diff.added,
        "removed": diff.removed,
        "rules": list(diff.rules),
        "hunks": [_hunk(hunk) for hunk in diff.hunks],
    }


def _hunk(hunk: Hunk) -> dict[str, Any]:
    return {
        "header": displayable(hunk.header),
        "lines": [displayable(line) for line in hunk.lines],
        "rules": list(hunk.rules),
    }


def _skip(skip: Skip) -> dict[str, str]:
    return {"rule": skip.rule, "package": skip.package, "reason": skip.reason}


def _specifiers(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(specifier) for name, specifier in table.items()}


def _condition(when: Condition) -> dict[str, list[str]]:
    return {"all": list(when.all), "any": list(when.any), "none": list(when.none)}
