"""The secrets of a server: made once, for their owner only, and refused where they are weak."""

import base64
import os
import ssl

import pytest
from cryptography import x509

from lakehouse.cli import main
from lakehouse.errors import SpecError
from lakehouse.settings import read_settings
from lakehouse.stack import server


@pytest.fixture
def folder(tmp_path):
    server.init_server(tmp_path / "secrets")
    return tmp_path / "secrets"


def texts(folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_each_secret_is_a_file_of_its_owner_only_and_no_two_are_the_same(folder):
    found = texts(folder)
    assert set(found) == set(server.NAMES)
    assert len(set(found.values())) == len(found)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    owner = server.IMAGE_USER if os.geteuid() == 0 else os.geteuid()
    assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {owner}


def test_keys_have_the_form_that_their_readers_want(folder):
    found = texts(folder)
    name, _, key = found["minio_encryption_key"].partition(":")
    assert (name, len(base64.b64decode(key))) == ("lake", 32)
    assert len(base64.urlsafe_b64decode(found["airflow_fernet_key"])) == 32
    assert f":{found['postgres_password']}@postgres/" in found["airflow_database"]
    assert found["celery_broker"] == f"redis://:{found['redis_password']}@redis:6379/0"


def test_the_certificate_is_for_the_host_that_was_named_and_fits_its_key(tmp_path):
    server.init_server(tmp_path / "made", "lake.example.org")
    told = x509.load_pem_x509_certificate((tmp_path / "made" / "tls_certificate").read_bytes())
    names = told.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lake.example.org"]
    told.verify_directly_issued_by(told)
    ssl.create_default_context().load_cert_chain(
        tmp_path / "made" / "tls_certificate", tmp_path / "made" / "tls_key"
    )


def test_what_is_there_is_kept_and_what_was_lost_is_made_anew(folder):
    before = texts(folder)
    assert server.init_server(folder) == []
    (folder / "s3_read_secret_key").unlink()
    assert server.init_server(folder) == ["s3_read_secret_key"]
    after = texts(folder)
    assert after.pop("s3_read_secret_key") != before.pop("s3_read_secret_key")
    assert after == before


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("minio_root_password", "minioadmin", "is too easy to guess"),
        ("airflow_admin_password", "Password1", "is too easy to guess"),
        ("airflow_admin_password", "a" * 99, "is too easy to guess"),
        ("airflow_jwt_secret", "0123456789abcdef" * 3, "is too easy to guess"),
        ("s3_govern_secret_key", "", "is empty"),
        ("s3_govern_secret_key", "\n", "is empty"),
        ("airflow_database", "postgresql://airflow:airflow@postgres/airflow", "does not hold"),
    ],
)
def test_a_weak_secret_is_refused_by_its_name_and_never_shown(folder, name, text, reason):
    (folder / name).write_text(text)
    for refuse in (server.check_secrets, server.init_server):
        with pytest.raises(SpecError) as raised:
            refuse(folder)
        assert f"{name} {reason}" in str(raised.value)
        assert not text.strip() or text not in str(raised.value)
    assert (folder / name).read_text() == text


def test_a_secret_that_others_may_read_or_that_is_missing_is_refused(folder, capsys):
    (folder / "airflow_api_secret").chmod(0o640)
    (folder / "s3_read_secret_key").unlink()
    assert server.main([str(folder)]) == SpecError.exit_code
    told = capsys.readouterr().err
    assert "airflow_api_secret is open to others" in told
    assert "s3_read_secret_key is not there" in told


def test_the_command_says_how_many_it_made(tmp_path, capsys):
    assert [main(["init-server", str(tmp_path / "made")]) for _ in range(2)] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{len(server.NAMES)} secrets made, 0 were there")
    assert second.endswith(f"0 secrets made, {len(server.NAMES)} were there")


def test_a_folder_that_cannot_be_made_is_an_error_with_a_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="cannot be written"):
        server.init_server(tmp_path / "file")


S3 = {
    "LAKEHOUSE_URL": "s3://lake",
    "LAKEHOUSE_S3_ENDPOINT": "http://minio:9000",
    "LAKEHOUSE_S3_ACCESS_KEY": "anyone",
}


def test_a_key_may_come_in_a_file(folder):
    path = folder / "s3_read_secret_key"
    settings = read_settings({**S3, "LAKEHOUSE_S3_READ_SECRET_KEY_FILE": str(path)})
    assert settings.credentials("read").secret_key == path.read_text()


@pytest.mark.parametrize(
    ("text", "reason"), [("", "is empty"), (b"\xff", "cannot be read"), (None, "cannot be read")]
)
def test_a_file_without_a_key_is_refused(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "key").write_bytes(text or b"")
    settings = read_settings({**S3, "LAKEHOUSE_S3_SECRET_KEY_FILE": str(tmp_path / "key")})
    with pytest.raises(SpecError, match=f"LAKEHOUSE_S3_SECRET_KEY_FILE names {reason}"):
        settings.credentials("read")
