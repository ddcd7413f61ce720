"""A URL says where the server is and who we are; it is read strictly and shown without secrets."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from atomodm.contract import Atomicity
from atomodm.errors import AccessDenied, InvalidURL, StoreUnavailable
from atomodm.store import create_store, data_stores
from atomodm.store.redis import RedisStore
from atomodm.testing.contract.stores import find_all, insert_all
from tests.requirements import need_store
from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer, running

DOCUMENTS = [{"_id": 1}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a user and a socket file."""
    need_store("redis")
    folder = tmp_path_factory.mktemp("urls")
    with running(folder, "--unixsocket", str(folder / "redis.sock")) as server:
        server.command("ACL", "SETUSER", "a:n@n", "on", ">p@ss:w/rd ?", "~*", "+@all")
        yield server


async def written_through(url: str) -> None:
    """Write a document through one store, and read it through another one with the same URL."""
    for store in (create_store(url), create_store(url)):
        await store.open()
        if not await find_all(store, "people"):
            await insert_all(store, "people", DOCUMENTS)
        assert await find_all(store, "people") == DOCUMENTS
        await store.close()


def keys(server: RedisServer, database: int) -> list[bytes]:
    with Redis(port=server.port, db=database, protocol=2) as client:
        found = client.keys("*")
        client.flushdb()
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "redis+unix", "redis+local"])
def test_each_scheme_is_registered(scheme: str) -> None:
    assert data_stores[scheme].extra == "redis"
    for kind in ("cluster", "sentinel"):
        assert f"redis+{kind}" in data_stores
        assert f"rediss+{kind}" in data_stores


async def test_documents_are_in_the_database_with_the_number(server: RedisServer) -> None:
    for path, database in (("", 0), ("/", 0), ("/0", 0), ("/7", 7), ("/7/", 7)):
        await written_through(f"redis://127.0.0.1:{server.port}{path}")
        assert keys(server, database)


async def test_all_keys_begin_with_the_namespace(server: RedisServer) -> None:
    await written_through(f"redis://127.0.0.1:{server.port}/3")
    await written_through(f"redis://127.0.0.1:{server.port}/3?namespace=other%3Aone")
    found = keys(server, 3)
    ours = [key for key in found if key.startswith(b"atomodm:")]
    assert 0 < len(ours) < len(found)
    assert all(key.startswith((b"atomodm:", b"other%3Aone:")) for key in found)


async def test_a_user_and_a_password_may_have_any_characters(server: RedisServer) -> None:
    where = f"127.0.0.1:{server.port}/4"
    await written_through(f"redis://a%3An%40n:p%40ss%3Aw%2Frd%20%3F@{where}")
    with pytest.raises(AccessDenied):
        await create_store(f"redis://a%3An%40n:wrong@{where}").open()


async def test_a_socket_file_is_a_server_too(server: RedisServer) -> None:
    for scheme in ("unix", "redis+unix"):
        await written_through(f"{scheme}://{server.folder}/redis.sock?db=5")
        assert keys(server, 5)
    with pytest.raises(StoreUnavailable, match="No such file"):
        await create_store(f"unix://{server.folder}/nothing.sock?timeout=0.1").open()


def test_a_store_says_what_it_can_and_where_it_is() -> None:
    single = create_store("redis://ann:hunter2@host:6380/2?timeout=3")
    assert isinstance(single, RedisStore)
    assert single.url == "redis://***@host:6380/2?timeout=3"
    assert single.capabilities.atomic is Atomicity.STORE
    assert single.capabilities.max_batch == 10_000
    assert "hunter2" not in repr(single)
    cluster = create_store("redis+cluster://:hunter2@a:1,b:2,[::1]:3")
    assert cluster.capabilities.atomic is Atomicity.COLLECTION
    assert "hunter2" not in repr(cluster)
    sentinels = create_store("redis+sentinel://:hunter2@a,b:2/service/1?sentinel_password=hunter2")
    assert "hunter2" not in repr(sentinels)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:port",
        "redis://host:1:2",
        "redis://::1",
        "redis://ho st",
        "redis://host/people",
        "redis://host/-1",
        "redis://host/0/1",
        "redis://host/²",
        "redis://host/99999999999",
        "redis://a,b",
        "redis://hunter2@host",
        "redis://host?timeout=0",
        "redis://host?timeout=soon",
        "redis://host?namespace=",
        "redis://host?log_size=0",
        "redis://host?expire_interval=-1",
        "redis://host?max_connections=0",
        "redis://host?password=hunter2",
        "redis://host?ssl_ca_certs=ca.pem",
        "rediss://host?ssl_ca_certs=/nowhere/ca.pem",
        "redis://host?db=1",
        "redis://host#1",
        "rediss://host?ssl_cert_reqs=maybe",
        "rediss://host?ssl_check_hostname=perhaps",
        "rediss://host?ssl_cert_reqs=none&ssl_check_hostname=yes",
        "rediss://host?ssl_keyfile=key.pem",
        "unix://",
        "unix:///",
        "unix://relative.sock",
        "unix:///redis.sock?db=x",
        "unix:///redis.sock?appendfsync=always",
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a/1",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel:///service",
        "redis+sentinel://a/service/x",
        "redis+local://",
        "redis+local:///",
        "redis+local://ann:hunter2@folder",
        "redis+local:///folder?appendfsync=sometimes",
        "redis+local:///folder?db=1",
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_opened(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        create_store(url)
    assert "hunter2" not in f"{caught.value!r} {caught.value}"


def test_several_hosts_are_a_cluster_or_sentinels() -> None:
    with pytest.raises(InvalidURL, match=r"redis\+cluster://.*redis\+sentinel://"):
        create_store("redis://a,b")


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority's certificate, another authority's, and one for the server ``localhost``."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl that could make certificates")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "other"):
        openssl(
            *["req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"],
            # From Python 3.13 on, an authority has to say that it is one.
            *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        )
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key"]
    openssl(
        *["req", "-x509", *key, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost", *signed],
        *["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        *["-addext", "keyUsage=critical,digitalSignature"],
    )
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that wants TLS, and certificates of its clients too."""
    need_store("redis")
    folder = tmp_path_factory.mktemp("encrypted")
    socket = folder / "redis.sock"
    server = RedisServer(
        folder,
        *["--unixsocket", str(socket), "--tls-cert-file", str(certificates / "server.pem")],
        *["--tls-key-file", str(certificates / "server.key"), "--tls-ca-cert-file", str(certificates / "ca.pem")],
    )
    port = server.port
    try:
        server.launch()
        try:
            server.wait_until_ready()
        except AssertionError:
            if "tls" in server.output():
                pytest.skip("the redis-server was built without TLS")
            raise
        # The port without TLS gives way to the one with it.
        server.client.config_set("port", 0)
        server.client.connection_pool.disconnect()
        with Redis(unix_socket_path=str(socket)) as client:
            wait_until(lambda: bool(client.config_set("tls-port", port)), "a port with TLS")
        yield port
    finally:
        server.stop()


async def test_an_encrypted_connection_knows_the_server_by_its_certificate(certificates: Path, encrypted: int) -> None:
    pair = f"ssl_certfile={certificates}/server.pem&ssl_keyfile={certificates}/server.key"
    for options in (
        f"ssl_ca_certs={certificates}/ca.pem&{pair}",
        f"ssl_cert_reqs=none&{pair}",
    ):
        await written_through(f"rediss://localhost:{encrypted}/0?{options}")
    await written_through(
        f"rediss://127.0.0.1:{encrypted}/0?ssl_ca_certs={certificates}/ca.pem&ssl_check_hostname=no&{pair}"
    )


@pytest.mark.parametrize(
    ("host", "options", "reason"),
    [
        ("localhost", "ssl_ca_certs={folder}/other.pem", "certificate is not accepted"),
        ("127.0.0.1", "ssl_ca_certs={folder}/ca.pem", "certificate is not accepted: IP address mismatch"),
        ("localhost", "", "certificate is not accepted"),
    ],
)
async def test_a_server_with_another_certificate_is_refused_at_once(
    certificates: Path, encrypted: int, host: str, options: str, reason: str
) -> None:
    store = create_store(f"rediss://{host}:{encrypted}/0?{options.format(folder=certificates)}")
    with pytest.raises(StoreUnavailable, match=re.escape(reason)):
        await store.open()


async def test_who_does_not_encrypt_and_who_has_no_certificate_gets_no_connection(
    certificates: Path, encrypted: int
) -> None:
    for url in (
        f"redis://localhost:{encrypted}/0?timeout=0.3",
        f"rediss://localhost:{encrypted}/0?timeout=0.3&ssl_ca_certs={certificates}/ca.pem",
    ):
        with pytest.raises(StoreUnavailable):
            await create_store(url).open()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_collection_names_the_namespace_as_its_database(scheme: str) -> None:
    assert create_store(f"{scheme}://127.0.0.1:6380/")["people"].full_name == "atomodm.people"
    assert create_store(f"{scheme}://127.0.0.1:6380/?namespace=shop")["people"].full_name == "shop.people"
