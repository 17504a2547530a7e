"""A repository of updates that is made and changed by commands alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edge.adapters.state.key_making import new_box_keys
from edge.updates.archive import pack_files
from tests.support.product import verb
from tests.support.sites import BOX, SITE
from tests.support.updated_site import BoxWithUpdates

TEMPLATES = "policy-templates/1.0.0"


class Commands:
    """The repository `repo` of a box's folder, worked by commands."""

    def __init__(self, base: Path) -> None:
        self.base, self.repo = base, base / "repo"
        self.pending = self.repo / "pending"
        self.online = ("--online-key", self.private("online"))
        self.public: dict[str, str] = {}

    def private(self, name: str) -> Path:
        return self.base / "keys" / f"{name}.signer.private.json"

    def run(self, *words: str | Path, status: int = 0) -> str:
        done = verb("fleet", *words)
        assert done.status == status, done.err
        return done.out + done.err

    def sign(self, name: str, *roles: str) -> None:
        for role in roles:
            file = self.pending / f"{role}.json"
            self.run("release", "sign", file, "--key", self.private(name))

    def make_key(self, name: str) -> str:
        """A new key; returns its public half."""
        done = verb("keys", "new", "signer", name, "--out", self.base / "keys", "--json")
        self.public[name] = str(done.json["signer"]["key"])
        return self.public[name]

    def init(self) -> None:
        """Keys, and a published repository that offers nothing."""
        offices = [
            word
            for name in ("vendor", "controller", "online")
            for word in (f"--{name}", self.make_key(name))
        ]
        self.run("release", "init", self.repo, *offices)
        assert "missing: " in self.run("release", "publish", self.repo, *self.online, status=7)
        for name in ("vendor", "controller"):
            self.sign(name, "root", "targets")
        self.run("release", "publish", self.repo, *self.online)

    def add_templates(self, status: int = 0) -> str:
        template = self.base / "policy.yaml"
        template.write_text("a template")
        pack_files([template], self.base / "t.zip")
        kind = ("--kind", "policy-templates", "--version", "1.0.0")
        return self.run("release", "add", self.repo, self.base / "t.zip", *kind, status=status)

    def offer_templates(self) -> None:
        self.add_templates()
        for name in ("vendor", "controller"):
            self.sign(name, "targets")
        self.run("release", "publish", self.repo, *self.online)

    def plan(self, status: int = 0) -> str:
        options = ("--steps", "100", "--hold-hours", "0", *self.online)
        return self.run("wave", "plan", self.repo, TEMPLATES, *options, status=status)


def update_documents(run: Callable[..., None], base: Path) -> None:
    """Run each command of updates that prints JSON, with `run(words, *arguments)`."""
    box = BoxWithUpdates(base)
    office = Commands(base)
    texts = [word for name in ("vendor", "controller", "online")
             for word in (f"--{name}", office.make_key(name))]  # fmt: skip
    repo = office.repo
    run("fleet release init", repo, *texts)
    template = base / "policy.yaml"
    template.write_text("a template")
    pack_files([template], base / "t.zip")
    kind = ("--kind", "policy-templates", "--version")
    run("fleet release add", repo, base / "t.zip", *kind, "1.0.0")
    for name in ("vendor", "controller"):
        office.sign(name, "root")
        run("fleet release sign", office.pending / "targets.json", "--key", office.private(name))
    run("fleet release publish", repo, *office.online)
    run("fleet release show", repo)
    run("fleet release renew", repo)
    run("fleet release withdraw", repo, f"{TEMPLATES}/any.zip")
    new = office.make_key("vendor-2")
    run("fleet release rotate", repo, "--old", office.public["vendor"], "--new", new)
    run("fleet wave plan", repo, TEMPLATES, *office.online)
    reports = base / "reports.json"
    reports.write_text("[]")
    boxes = new_box_keys(box.site / "keys", SITE, BOX, datetime.now(timezone.utc)).parent
    look = (repo, "--boxes", boxes, "--reports", reports)
    run("fleet wave run", *look, *office.online)
    run("fleet wave status", *look)
    box.use(repo / "public")
    for words in ("update check", "update install", "update status"):
        run(words, "--site", box.site)
