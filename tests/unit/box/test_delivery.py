"""Broker options from a site folder, and the errors of delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from edge.adapters.broker.options import TlsFiles
from edge.box.delivery import broker_options, hits_kept
from edge.errors import PublishError
from edge.site.folder import load_site_folder
from tests.support.example_site import SITE, write_site


def test_tls_files_are_found_and_absolute_paths_stay(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    folder = write_site(
        tmp_path / "square",
        site=SITE + f"  tls: {{ca: {authority}, certificate: box.pem, key: box.key}}\n",
    )
    (folder / "box.pem").touch()
    (folder / "box.key").touch()
    settings = load_site_folder(folder).settings
    assert broker_options(settings, folder, None).tls == TlsFiles(
        authority, folder / "box.pem", folder / "box.key"
    )


def test_without_tls_settings_no_tls_file_is_named(tmp_path: Path) -> None:
    folder = write_site(tmp_path / "square")
    options = broker_options(load_site_folder(folder).settings, folder, "open sesame")
    assert options.tls is None
    assert options.password == "open sesame"
    assert "open sesame" not in repr(options)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (1, "1 hit is kept in "),
        (2, "2 hits are kept in "),
        ("<10", "fewer than 10 hits are kept in "),
    ],
)
def test_the_error_counts_the_kept_hits_and_gives_the_reason(
    tmp_path: Path, kept: int | Literal["<10"], says: str
) -> None:
    settings = load_site_folder(write_site(tmp_path / "square")).settings
    lost = PublishError("the broker is away")
    assert hits_kept(kept, lost, settings, tmp_path).message == (
        f"{says}{tmp_path} and the next run delivers what is left (the broker is away)"
    )
    waiting = hits_kept(kept, None, settings, tmp_path)
    assert waiting.code == "E_HITS_KEPT"
    assert "receipts have not come; check that `edge-anpr hits tail` runs there" in waiting.message


def test_a_box_of_several_brokers_uses_that_of_its_site(tmp_path: Path) -> None:
    hosts = "hosts: [mqtt-1.example, mqtt-2.example:8884, mqtt-3.example]\n  port: 8883"
    site = SITE.replace("host: 127.0.0.1", hosts)
    settings = load_site_folder(write_site(tmp_path / "square", site=site)).settings
    options = broker_options(settings, tmp_path, None)

    # printf 'square\0mqtt-2.example:8884' | sha256sum, and the same of the others
    assert options.address == "mqtt-3.example:8883"
    waiting = hits_kept(1, None, settings, tmp_path)
    assert "(broker mqtt-3.example:8883: the authority's receipts" in waiting.message
