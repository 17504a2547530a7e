"""What a release asks of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.release_tools.errors import ReleaseError


def git(root: Path, *arguments: str, text: str | None = None) -> str:
    """What git prints, without the last line break; `text` goes to its standard input.

    Raises:
        ReleaseError: git failed; holds its message.
    """
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def changed_files(root: Path) -> list[str]:
    """Files that are changed or unknown to git, as `git status --short` names them."""
    return git(root, "status", "--short").splitlines()


def commit_time(root: Path) -> int:
    """When the last commit was made, in seconds since 1970."""
    return int(git(root, "log", "-1", "--format=%ct"))


def tag_exists(root: Path, tag: str) -> bool:
    """True when the repository has this tag."""
    return bool(git(root, "tag", "--list", tag))


def sign_tag(root: Path, tag: str, message: str) -> None:
    """Make an annotated tag of the last commit, signed with the key that git is set up for.

    Raises:
        ReleaseError: git has no key to sign with, or could not use it.
    """
    try:
        # Lines that begin with # are headings of the notes, not comments.
        git(root, "tag", "--sign", "--cleanup=whitespace", "--file=-", tag, text=message)
    except ReleaseError as error:
        raise ReleaseError(
            f"{tag} was not made, because git could not sign it: set gpg.format and "
            f'user.signingKey as in docs/release.md, "Signing key"\n{error}'
        ) from error
