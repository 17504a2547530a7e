"""The other files of a new site: `site.yaml`, and a skeleton of the DPIA that is to be written.

`edge-anpr policy new` writes them beside `policy.yaml`. The skeleton has the parts of Article 35(7)
GDPR; while a place in it is not filled in, no policy with it can be signed.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from edge.policy.duties import Flaw
from edge.policy.flaws import NAMED_RISKS
from edge.texts import LANGUAGES, Language, text

DPIA_FILE = "dpia.md"
CAMERA = "cam-1"
PURPOSE = "purpose-1"
"""Names in the files of a new site."""

_STILL_TO_WRITE = re.compile(
    "|".join(
        re.escape("[" + text(language, "new.fill", what="")).rstrip("\\ ") for language in LANGUAGES
    )
)


def site_file(language: Language, site: str) -> str:
    """A `site.yaml` that is complete but for the camera's source.

    Args:
        language: the language of the comments.
        site: the site's id.
    """
    lines = [
        *comment(text(language, "new.site")),
        "schema: edge-anpr/site/1",
        f"site: {site}",
        "box: box-1",
        "cameras:",
        *comment(text(language, "new.site_camera"), indent="  "),
        f"  {CAMERA}: {{}}",
        f"  # {CAMERA}:",
        '  #   live: {type: rtsp, url: "rtsp://192.0.2.10:554/stream", username: viewer,',
        "  #     password_env: CAMERA_PASSWORD}",
        *comment(text(language, "new.site_models")),
        "models: {provider: cpu}",
        *comment(text(language, "new.site_broker")),
        "broker: {host: 127.0.0.1, port: 1883}",
    ]
    return "\n".join(lines) + "\n"


def dpia_skeleton(language: Language, purposes: Sequence[str] = (PURPOSE,)) -> str:
    """The headings of a DPIA, with a place to fill in under each.

    Args:
        language: the language of the site.
        purposes: the ids of the policy's purposes.
    """
    return "\n\n".join(_parts(language, purposes)) + "\n"


def _parts(language: Language, purposes: Sequence[str]) -> Iterator[str]:
    def say(key: str, **values: str) -> str:
        return text(language, f"new.dpia_{key}", **values)

    def fill(key: str, **values: str) -> str:
        return f"[{text(language, 'new.fill', what=say(key, **values))}]"

    yield f"# {text(language, 'new.dpia')} {fill('title')}"
    yield say("intro")
    yield f"## {say('description')}"
    yield fill("description_what")
    for purpose in purposes:
        yield f"### {say('purpose', purpose=purpose)}"
        yield fill("purpose_what")
    yield f"## {say('necessity')}"
    for purpose in purposes:
        yield fill("necessity_what", purpose=purpose)
    yield f"## {say('risks')}"
    yield _table(
        [say("risk"), say("risk_what")], [[risk, fill("risk_what")] for risk in NAMED_RISKS]
    )
    yield f"## {say('measures')}"
    yield _table(
        [say("risk"), say("measure"), say("rest")],
        [[risk, fill("measure_what"), fill("rest_what")] for risk in NAMED_RISKS],
    )
    for name in ("opinion", "review"):
        yield f"## {say(name)}"
        yield fill(f"{name}_what")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def unfinished(dpia: bytes) -> Flaw | None:
    """Whether a DPIA still has places of the skeleton to fill in; None for other files."""
    told = dpia.decode("utf-8", errors="replace")
    found = list(_STILL_TO_WRITE.finditer(told))
    if not found:
        return None
    line = told.count("\n", 0, found[0].start()) + 1
    return Flaw(("dpia", "file"), "dpia_unfinished", {"count": str(len(found)), "line": str(line)})


def comment(told: str, *, indent: str = "") -> list[str]:
    """A comment of YAML, in lines of at most 98 characters."""
    return textwrap.wrap(told, 98, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
