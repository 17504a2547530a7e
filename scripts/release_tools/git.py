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


def can_sign(root: Path) -> bool:
    """True when git is told which key to sign with."""
    return "user.signingkey" in git(root, "config", "--list", "--name-only").splitlines()


def sign_tag(root: Path, tag: str, message: str) -> None:
    """Make an annotated tag of the last commit, signed with the key that git is set up for.

    Raises:
        ReleaseError: git could not use the key.
    """
    # Lines that begin with # are headings of the notes, not comments.
    make = ("tag", "--sign", "--cleanup=whitespace", "--file=-", tag)
    try:
        git(root, *make, text=message)
        # git 2.39 makes an unsigned tag, and succeeds, when the file of an SSH key is missing.
        if git(root, "tag", "--list", "--format=%(contents:signature)", tag):
            return
        git(root, "tag", "--delete", tag)
        said = "git found no key under user.signingKey"
    except ReleaseError as error:
        said = str(error)
    raise ReleaseError(
        f"{tag} was not made, because git could not sign it: set gpg.format and "
        f'user.signingKey as in docs/release.md, "Signing key"\n{said}'
    )
