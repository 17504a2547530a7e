"""The section `lists` of site.yaml: where a box fetches lists that many boxes share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.adapters.broker.list_parts import MqttBodies
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.state.list_bodies import BodySource, FolderBodies, HttpsBodies
from edge.box.delivery import list_source
from edge.errors import ConfigError
from edge.site.folder import load_site_folder
from tests.support.example_site import SITE, write_site

BROKER = BrokerOptions("broker", 1883, "box")


def source(tmp_path: Path, section: str) -> BodySource | None:
    folder = write_site(tmp_path / "square", site=f"{SITE}{section}")
    return list_source(load_site_folder(folder).settings, folder, BROKER)


URL = "https://lists.example.org/anpr"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("", lambda _: None),
        (f"lists: {{source: https, url: '{URL}'}}\n", lambda _: HttpsBodies(URL)),
        (
            f"lists: {{source: https, url: '{URL}', tls_ca: ca.pem}}\n",
            lambda folder: HttpsBodies(URL, folder / "ca.pem"),
        ),
        (
            "lists: {source: folder, folder: shared}\n",
            lambda folder: FolderBodies(folder / "shared"),
        ),
        ("lists: {source: mqtt}\n", lambda _: MqttBodies(BROKER)),
    ],
    ids=["none", "https", "https with authorities", "folder", "mqtt"],
)
def test_a_source_becomes_its_adapter_with_paths_in_the_site_folder(
    tmp_path: Path, section: str, expected: Callable[[Path], BodySource | None]
) -> None:
    assert source(tmp_path, section) == expected(tmp_path / "square")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{source: https, url: 'http://lists.example.org/'}", "lists.url"),
        ("{source: https, url: 'ftp://lists.example.org/'}", "lists.url"),
        ("{source: https, url: 'https://me:hunter2@lists.example.org/'}", "no user name"),
        ("{source: https, url: 'https://hunter2@lists.example.org/'}", "no user name"),
        ("{source: https, url: 'https://lists.example.org/?token=hunter2'}", "no user name"),
        ("{source: https, url: 'https://lists.example.org/#x'}", "no user name"),
        ("{source: https, url: 'https:///lists'}", "not an address"),
        ("{source: https, url: 'https://lists.example.org:0/'}", "not an address"),
        ("{source: https, url: 'https://lists.example.org:http/'}", "not an address"),
        ("{source: https, url: 'https://[::1/'}", "not an address"),
        ("{source: https, url: 'https://a..b/'}", "not an address"),
        ("{source: https, url: 'https://.a.example/'}", "not an address"),
        (f"{{source: https, url: 'https://{'a' * 64}.example/'}}", "not an address"),
        ("{source: https}", "lists: 'url' is missing"),
        ("{source: https, url: 'https://a.example/', password: hunter2}", "lists.password"),
        ("{source: folder}", "lists: 'folder' is missing"),
        ("{source: mqtt, url: 'https://a.example/'}", "lists.url"),
        ("{source: elsewhere}", "lists"),
    ],
)
def test_an_address_that_is_not_https_or_holds_a_secret_is_refused(
    tmp_path: Path, section: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        source(tmp_path, f"lists: {section}\n")
    (line,) = str(caught.value).splitlines()
    assert "site.yaml" in line
    assert says in line
    assert "hunter2" not in line
