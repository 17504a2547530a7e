"""MkDocs hook: pages keep their paths in the repository, and links out of docs/ work.

The documents are read in a plain checkout too, where a link such as `../config/README.md` leads out
of docs/. So MkDocs gets each file under its path from the repository's root, for example
`docs/deploy.md`, and every file that a page links to becomes part of the site. MkDocs itself then
resolves the links, and `mkdocs build --strict` fails on one that leads nowhere.

Files of docs/ keep their usual addresses in the site; all others lie below `repository/`.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LINK = re.compile(r"\]\(([^)\s#]+)")
"""The path in `](path)` and `](path#heading)`."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The files of docs/ and all that they link to, each under its path in the repository."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir)
    kept = Files([])
    waiting: list[tuple[Path, str | None]] = []
    for file in files:
        if file.src_dir == config.docs_dir:
            waiting.append((docs / file.src_uri, file.dest_uri))
        else:
            kept.append(file)  # the theme's own

    seen = {path for path, _ in waiting}
    while waiting:
        path, address = waiting.pop()
        name = path.relative_to(root).as_posix()
        kept.append(_file(name, root, config, address))
        for target in _links(path, root) - seen:
            seen.add(target)
            waiting.append((target, None))
    return kept


def _file(name: str, root: Path, config: MkDocsConfig, address: str | None) -> File:
    """The file under `name`; without an address it goes below `repository/`."""
    file = File(name, str(root), config.site_dir, config.use_directory_urls)
    file.dest_uri = address or str(PurePosixPath("repository") / file.dest_uri)
    return file


def _links(path: Path, root: Path) -> set[Path]:
    """The files of the repository that a Markdown page links to."""
    if path.suffix != ".md":
        return set()
    found = set()
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if ":" not in link:
            target = (path.parent / unquote(link)).resolve()
            if target.is_file() and target.is_relative_to(root):
                found.add(target)
    return found
