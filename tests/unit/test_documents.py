"""What the documents promise is there: pages, files and verbs that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudd.ctl.verb import all_verbs, playbook_verbs

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("**/*.md"))]

LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
VERB = re.compile(r"\./cloudctl ([a-z_]+)")
#: Files and folders of the repository, in full.
NAMED = re.compile(r"`((?:cloudd|docs|inventory|library|playbooks|plugins|roles|tests)/[\w./-]+)`")
#: The operator's own inventory, and words in capitals that stand for a name.
PLACEHOLDER = re.compile(r"^inventory/mine\b|/[A-Z]+\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = {link for link in LINK.findall(text) if not (document.parent / link).exists()}
    files = {path for path in NAMED.findall(text) if not PLACEHOLDER.search(path) and not (ROOT / path).exists()}
    verbs = set(VERB.findall(text)) - all_verbs().keys()
    assert not links | files | verbs


def test_the_readme_leads_to_every_page() -> None:
    linked = {(ROOT / link).resolve() for link in LINK.findall(README.read_text(encoding="utf-8"))}
    assert not {name_of(page) for page in DOCS.glob("*.md") if page not in linked}


def test_the_operators_page_tells_of_every_playbook() -> None:
    page = (DOCS / "operator.md").read_text(encoding="utf-8")
    assert not {verb for verb in playbook_verbs() if not re.search(rf"^\| (?:\w+, )*{verb}(?:, \w+)* \|", page, re.MULTILINE)}


def test_decisions_have_a_number_each() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    for path in DECISIONS:
        assert path.read_text(encoding="utf-8").split(maxsplit=2)[:2] == ["#", path.name[:4]]
