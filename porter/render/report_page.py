"""A verification as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from string import Template

from porter.render.markup import resource, text
from porter.render.report_parts import Section, sections
from porter.render.verdict import headline, sentence, where
from porter.verify.model import Verification


def report_page(verification: Verification) -> str:
    """The page as text."""
    found = sections(verification)
    return Template(resource("report_page.html")).substitute(
        title=text(headline(verification)),
        sentence=text(sentence(verification)),
        style=resource("page.css") + resource("report_page.css"),
        outcome=verification.verdict.outcome,
        notes="\n".join(f'<p class="caveat">{text(note)}</p>' for note in verification.notes),
        facts=_facts(verification),
        contents="\n".join(f'<li><a href="#{s.anchor}">{text(s.title)}</a></li>' for s in found),
        sections="\n".join(map(_section, found)),
    )


def _section(section: Section) -> str:
    return (
        f'<section id="{section.anchor}"><h2>{text(section.title)}</h2>\n{section.html}</section>'
    )


def _facts(verification: Verification) -> str:
    settings = verification.settings
    pairs = [
        ("Model", settings.model),
        ("Chip", verification.chip),
        ("Device", where(verification)),
        ("Steps", str(settings.steps)),
        ("Images a step", str(settings.batch_size * settings.nproc * settings.nnodes)),
        ("Processes", str(settings.nproc * settings.nnodes)),
        ("AMP", "on" if verification.amp else "off"),
        *verification.versions.items(),
    ]
    return "\n".join(f"<div><dt>{text(n)}</dt><dd>{text(v)}</dd></div>" for n, v in pairs)
