"""What somebody signs who signs metadata, in plain words; what they would not show is refused.

The file comes from the other signer. So names in it are shown so that they cannot hide a line, and
whatever `edge-anpr fleet release` never writes is refused: a key under the id of another one, fewer
signatures than two, or a role of its own for archives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Signed, Targets

from edge.errors import KeyFileError
from edge.formats.signing import PublicKey
from edge.formats.visible import visible
from edge.updates.problems import UpdateError
from edge.updates.repository import BOTH
from edge.updates.signing import tuf_key
from edge.updates.waves import PATTERN, ROLE


def described(metadata: Metadata[Any]) -> Iterator[str]:
    """In plain words, a line each: what somebody signs who signs this metadata."""
    content: Signed = metadata.signed
    yield f"{content.type}, version {content.version}, valid until {content.expires:%Y-%m-%d}"
    if isinstance(content, Root):
        for role, needed in sorted(content.roles.items()):
            yield visible(f"{role}: {needed.threshold} of the keys {', '.join(needed.keyids)}")
    if isinstance(content, Targets):
        for path, file in sorted(content.targets.items()):
            digest = file.hashes.get("sha256", "none")
            yield visible(f"{path}: {file.length} bytes, sha256 {digest}")
        if not content.targets:
            yield "no archive"
        for role in _roles(content):
            yield visible(f"the keys {', '.join(role.keyids)} sign {', '.join(role.paths or ())}")
    yield visible(f"signed so far by {', '.join(sorted(metadata.signatures)) or 'nobody'}")


def require_usual(metadata: Metadata[Any]) -> None:
    """Refuse to sign what `edge-anpr fleet release` never writes.

    Raises:
        UpdateError: it is such metadata.
    """
    content: Signed = metadata.signed
    if isinstance(content, Root):
        keys, usual = content.keys, _is_usual_root(content)
    elif isinstance(content, Targets):
        keys = content.delegations.keys if content.delegations else {}
        usual = _is_usual_targets(content)
    else:
        keys, usual = {}, False
    if not usual or not _have_own_ids(keys):
        raise UpdateError(
            f"this {content.type} is not as `edge-anpr fleet release` writes it: it could let one "
            "person decide alone; do not sign it, and ask who sent it"
        )


def _is_usual_root(root: Root) -> bool:
    offline = (root.roles["root"], root.roles["targets"])
    same = set(offline[0].keyids) == set(offline[1].keyids)
    return same and all(len(one.keyids) == one.threshold == BOTH for one in offline)


def _is_usual_targets(targets: Targets) -> bool:
    roles = list(_roles(targets))
    return len(roles) == 1 and (roles[0].name, roles[0].paths) == (ROLE, [PATTERN])


def _roles(targets: Targets) -> Iterator[Any]:
    """The roles to which targets delegate by name; ours never do so in another way."""
    if targets.delegations is not None:
        yield from (targets.delegations.roles or {}).values()


def _have_own_ids(keys: Mapping[str, Key]) -> bool:
    """Whether each key stands under the id that follows from it."""
    try:
        return all(
            one == tuf_key(PublicKey.from_raw(bytes.fromhex(one.keyval["public"])))
            and one.keyid == name
            for name, one in keys.items()
        )
    except (KeyFileError, KeyError, TypeError, ValueError):
        return False
