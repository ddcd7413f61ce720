"""Store URLs are read strictly and shown without secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomodm.errors import InvalidURL
from atomodm.store import StoreURL, redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory://", "memory://"),
        ("memory://name", "memory://name"),
        ("sqlite:///people.db", "sqlite:///people.db"),
        ("sqlite:////var/lib/people.db?timeout=3", "sqlite:////var/lib/people.db?timeout=3"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("mongodb://ann:hunter2@host:27017/db", "mongodb://***@host:27017/db"),
        ("mongodb://ann:hun@ter2@a,b:1/db", "mongodb://***@a,b:1/db"),
        ("mongodb://ann@host/", "mongodb://***@host/"),
        ("redis://:hunter2@host", "redis://***@host"),
        ("redis://ann:hun/ter2@host/0", "redis://***@host/0"),
        ("redis://ann:hun?ter2@host/0", "redis://***"),
        ("redis://ann:hun#ter2@host/0?x=hunter2", "redis://***"),
        ("redis://host/0?password=hun@ter2", "redis://***"),
        ("redis://:@/hunter2@host/0", "redis://***@host/0"),
        ("redis:///:hunter2@host/0", "redis://***@host/0"),
        ("redis://host/0?password=hunter2&db=1", "redis://host/0?password=***&db=1"),
        ("redis://host?ssl_keyfile=x&SECRET=hunter2&flag", "redis://host?ssl_keyfile=***&SECRET=***&flag"),
        (
            "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
            "mongodb://host/?authMechanismProperties=***",
        ),
        ("not a url at all", "not a url at all"),
        ("ann:hunter2@host", "***@host"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert redact(url) == shown
    assert "hunter2" not in redact(url)


awkward = st.text(alphabet="ab:/?#@&=%[]\n", max_size=6)


@given(user=awkward, password=awkward)
def test_no_password_survives_whatever_stands_in_it(user: str, password: str) -> None:
    shown = redact(f"redis://{user}:{password}SECRET@host/0")
    assert "SECRET" not in shown
    assert shown in ("redis://***@host/0", "redis://***")


@given(st.text())
def test_any_text_can_be_shown_and_showing_it_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_url_is_taken_apart() -> None:
    url = StoreURL.parse("my://ann:pw@some%20host/a%3Fb/c?one=1&two=x%26y", ["one", "two"])
    assert (url.scheme, url.host, url.path) == ("my", "some host", "/a?b/c")
    assert url.options == {"one": "1", "two": "x&y"}
    assert url.shown == "my://***@some%20host/a%3Fb/c?one=1&two=x%26y"
    assert url.number("one", 5, least=0) == 1
    assert url.number("three", 5, least=0) == 5


@pytest.mark.parametrize(
    "url",
    [
        "my://ann:hunter2@host?unknown=1",
        "my://ann:hunter2@host?known=1&known=2",
        "my://ann:hunter2@host?known",
        "my://ann:hunter2@[broken",
        "my://ann:hunter2@host/#fragment",
        "my://ann:hunter2@host/a\nb",
        "my://ann:hunter2@host/a\tb",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        StoreURL.parse(url, ["known"])
    assert "hunter2" not in str(caught.value)
    assert "ann" not in str(caught.value).replace("cannot", "")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "inf", "1e999"])
def test_a_number_is_a_number_within_its_bounds(value: str) -> None:
    url = StoreURL.parse(f"my://host?n={value}", ["n"])
    with pytest.raises(InvalidURL, match="'n'"):
        url.number("n", 5, least=0)


def test_a_choice_is_one_of_its_words() -> None:
    url = StoreURL.parse("my://host?mode=x", ["mode"])
    with pytest.raises(InvalidURL, match="ro, rw"):
        url.choice("mode", "ro", ["ro", "rw"])
    assert url.choice("other", "ro", ["ro", "rw"]) == "ro"


def test_a_url_says_who_and_where() -> None:
    parts = StoreURL.parse("redis://a%3An%40n:p%40ss%3A@host:1,[::1],other:65535/path", [])
    assert (parts.user, parts.password) == ("a:n@n", "p@ss:")
    assert parts.addresses(6379) == [("host", 1), ("::1", 6379), ("other", 65535)]
    assert StoreURL.parse("redis://:secret@host", []).user is None
    assert StoreURL.parse("redis://host", []).password is None


def test_credentials_of_a_url_are_not_in_its_text() -> None:
    parts = StoreURL.parse("redis://ann:hunter2@host?password=hunter2", ["password"])
    assert "hunter2" not in f"{parts!r} {parts}"
    assert "ann" not in repr(parts)


@pytest.mark.parametrize("hosts", ["", ":1", "host:", "host:0", "host:65536", "a,,b", "::1", "[::1", "a b", "a:1:2"])
def test_hosts_are_read_strictly(hosts: str) -> None:
    with pytest.raises(InvalidURL):
        StoreURL.parse(f"redis://{hosts.replace(' ', '%20')}/0", []).addresses(6379)


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("true", True), ("1", True), ("no", False), ("0", False)])
def test_a_flag_is_a_word(word: str, meant: bool) -> None:
    assert StoreURL.parse(f"x://host?flag={word}", ["flag"]).flag("flag", not meant) is meant
    with pytest.raises(InvalidURL, match="'flag'"):
        StoreURL.parse("x://host?flag=maybe", ["flag"]).flag("flag", True)
