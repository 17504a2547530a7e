"""Keys under a real TPM 2.0 in software (swtpm): a copied disk opens nothing."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.broker.options import TlsFiles, tls_context
from edge.adapters.enrolment.identity import BoxIdentity
from edge.adapters.enrolment.renewing import renew_if_due
from edge.adapters.state.anchor import origin_of_unused
from edge.adapters.state.key_files import key_facts, load_box_keys
from edge.adapters.state.key_making import rotate_box_keys
from edge.adapters.state.key_sealing import folder_secret, key_password
from edge.errors import ConfigError, KeyFileError
from tests.support.brokers import HOST, free_port, wait_until
from tests.support.fleets import enrol, make_test_fleet, served
from tests.support.product import product

pytestmark = pytest.mark.skipif(
    shutil.which("swtpm") is None or shutil.which("tpm2_unseal") is None,
    reason="needs swtpm and tpm2-tools",
)


def two_free_ports() -> int:
    """The first of two neighbours: tpm2-tools reach a swtpm's control channel at the second."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
            probe.bind((HOST, port + 1))
            return port


class SoftTpm:
    """A TPM 2.0 as a process; another folder is another chip."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.tcti = ""

    def start(self) -> None:
        port = two_free_ports()
        self._process = subprocess.Popen(
            [
                "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder}",
                "--server", f"type=tcp,port={port}",
                "--ctrl", f"type=tcp,port={port + 1}",
                "--flags", "not-need-init,startup-clear",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.tcti = f"swtpm:host={HOST},port={port}"
        assert wait_until(self._answers)

    def _answers(self) -> bool:
        done = subprocess.run(
            ["tpm2_getrandom", "--tcti", self.tcti, "4"], capture_output=True, check=False
        )
        return done.returncode == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[SoftTpm]:
    made = SoftTpm(tmp_path / "chip")
    made.start()
    yield made
    made.stop()


def test_p10_with_a_tpm_a_copied_disk_opens_no_key(
    tmp_path: Path, chip: SoftTpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_test_fleet(tmp_path)
    assert fleet.run("render").status == 0
    monkeypatch.setenv("TPM2TOOLS_TCTI", chip.tcti)
    keys = tmp_path / "box" / "keys"
    with served(fleet):
        done = enrol(fleet, tmp_path / "box", env={"TPM2TOOLS_TCTI": chip.tcti})
        assert done.status == 0, done.err
        assert done.json["tpm"] is True
        # The running box: its keys load, its broker's TLS works, and it renews.
        assert load_box_keys(keys).box == "box-1"
        assert renew_if_due(keys, datetime.now(timezone.utc) + timedelta(days=25))
        rotate_box_keys(keys, datetime.now(timezone.utc))
    assert load_box_keys(keys).box == "box-1"
    tls = TlsFiles(keys / "fleet-ca.pem", keys / "mqtt.pem", keys / "mqtt.pem")
    with_password = TlsFiles(tls.ca, tls.certificate, tls.key, lambda: key_password(keys))
    assert tls_context(with_password).get_ca_certs()
    public = keys / "test-street.box-1.public.json"
    assert origin_of_unused(keys / "first-start", public) is not None
    assert {one.kind for one in key_facts(keys)} == {
        "a box's public file", "a box's private file under its TPM", "an authority's public file",
    }  # fmt: skip
    secret = folder_secret(keys)
    assert secret is not None
    assert not any(secret in path.read_bytes() for path in keys.iterdir())

    # Another machine, with another TPM; and one without.
    other = SoftTpm(tmp_path / "other")
    other.start()
    monkeypatch.setenv("TPM2TOOLS_TCTI", other.tcti)
    copy = tmp_path / "copy"
    shutil.copytree(keys, copy)
    with pytest.raises(KeyFileError) as refused:
        load_box_keys(copy)
    assert refused.value.code == "E_TPM"
    assert origin_of_unused(copy / "first-start", copy / public.name) is None
    with pytest.raises(ConfigError):
        tls_context(tls)  # without the TPM's secret the file is no usable key
    found = BoxIdentity.read(copy)
    assert found is not None
    with pytest.raises(KeyFileError):
        found.ask_again()
    other.stop()
    with pytest.raises(KeyFileError) as away:
        load_box_keys(copy)
    assert away.value.code == "E_TPM"


def test_p10_a_sealed_key_without_its_tpm_file_or_changed_is_refused(
    tmp_path: Path, chip: SoftTpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPM2TOOLS_TCTI", chip.tcti)
    from edge.adapters.state.key_making import new_box_keys
    from edge.adapters.state.key_sealing import seal_folder

    keys = tmp_path / "keys"
    assert seal_folder(keys)
    assert seal_folder(keys)  # again: the secret stays
    new_box_keys(keys, "street", "box-1", datetime.now(timezone.utc))
    private = next(keys.glob("*.private.json"))
    # The same chip after a restart of the machine.
    chip.stop()
    chip.start()
    monkeypatch.setenv("TPM2TOOLS_TCTI", chip.tcti)
    assert load_box_keys(keys).site == "street"
    shown = product("keys", "show", keys)
    assert "under its TPM" in shown.out

    whole = private.read_text()
    private.write_text(whole.replace('"street"', '"square"'))
    with pytest.raises(KeyFileError, match="damaged"):
        load_box_keys(keys)
    private.write_text(whole)
    (keys / "tpm.json").unlink()
    with pytest.raises(KeyFileError) as missing:
        load_box_keys(keys)
    assert missing.value.code == "E_TPM"
