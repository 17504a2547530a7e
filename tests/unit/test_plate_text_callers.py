"""Only the listed files may read a plate in clear; checked in their syntax trees."""

from __future__ import annotations

import ast

from tests.support.source_tree import EDGE, name_of, python_files, tree

MAY_REVEAL = {
    "edge/authority/opening.py": "the authority opens a hit with its private key",
    "edge/cli/desk_review.py": "shows the box's reading to the officer who has typed hers",
    "edge/cli/evaluate_clips.py": "shows, if asked, what was read on labelled recordings",
    "edge/cli/evaluate_images.py": "shows, if asked, what was read on labelled photos",
    "edge/cli/labels.py": "compares what was read with its label",
    "edge/cli/read.py": "prints what is read on the regular files that its user names",
    "edge/desk/court/fines.py": "writes confirmed findings for a fines system",
    "edge/desk/court/report.py": "writes the report of a confirmed case for a court",
    "edge/desk/findings.py": "makes the keyed digest: here the clear text ends",
    "edge/desk/web/reviews.py": "shows the box's reading to the officer who has typed hers",
    "edge/domain/reading.py": "finds the plates for which this one may have been taken, in RAM",
    "edge/pipeline/dossier.py": "asks whether a text has a form of its country, in RAM",
    "edge/pipeline/recent.py": "asks whether two tracks may be of one vehicle, in RAM",
    "edge/policy/bundles.py": "writes a list inside the seal, at its issuer",
    "edge/privacy/pseudonyms.py": "makes the token: here the clear text ends",
    "edge/privacy/sealing.py": "writes the plate inside the seal",
}
"""File to reason. A new line here is a decision, to be taken in review."""


def reveals(module: ast.Module) -> bool:
    """Whether it calls `.reveal()`, PlateText's only way to the text, or hands it on unbound.

    `reveal(...)` of the redaction takes arguments, and a rule's `reveal` is a field: neither
    is meant.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "reveal" and not node.args and not node.keywords:
                return True
        elif (
            isinstance(node, ast.Attribute)
            and node.attr == "reveal"
            and isinstance(node.value, ast.Name)
            and node.value.id == "PlateText"
        ):
            return True
    return False


def test_only_the_listed_files_reveal_a_plate() -> None:
    callers = {name_of(path) for path in python_files(EDGE) if reveals(tree(path))}

    assert callers == set(MAY_REVEAL)


def test_no_file_bypasses_the_plate_text_wrapper() -> None:
    around = [
        name_of(path)
        for path in python_files(EDGE)
        if name_of(path) != "edge/domain/plates.py"
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr == "_text")
        or (isinstance(node, ast.Constant) and node.value == "_text")
    ]

    assert around == []


def test_the_rule_detects_calls_and_method_references_and_nothing_else() -> None:
    seen = ["plate.reveal()", "best.text.reveal().lower()", "map(PlateText.reveal, plates)"]
    other = ["redaction.reveal(offence, frame)", "rule.reveal is RevealLevel.PLATE", "reveal()"]

    assert [reveals(ast.parse(source)) for source in seen] == [True, True, True]
    assert [reveals(ast.parse(source)) for source in other] == [False, False, False]
