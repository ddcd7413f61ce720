"""Regular expressions find what a MongoDB server's find, and cannot take all time or memory."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from atomodm.errors import InvalidQuery
from atomodm.query.dialect import MAX_ITEMS, rewrite_pattern
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.patterns import MAX_PATTERN, MAX_SIZE, compile_pattern
from atomodm.store.registry import create_store

EMOJI = "\U0001f600"
KELVIN = "\u212a"


@pytest.mark.parametrize(
    ("pattern", "options", "found", "not_found"),
    [
        # ASCII only, unless asked for more
        (r"^\w+$", "", ["a_9"], ["é", "a-", KELVIN]),
        (r"^\W$", "", ["é", "-", KELVIN], ["k", "_"]),
        (r"^\W$", "i", ["é", "-", KELVIN], ["k", "S"]),
        (r"^[\W]$", "i", ["é", "-"], ["k", "S"]),
        (r"^[^\w]$", "", ["é"], ["k"]),
        (r"^\d$", "", ["5"], ["\u0665"]),
        (r"^\D$", "", ["\u0665", "a"], ["5"]),
        (r"^\s$", "", [" ", "\t", "\x0b"], ["\xa0", "\u2003"]),
        (r"^\S$", "", ["\xa0", "a"], [" "]),
        (r"^[\s\d-]+$", "", ["1 -"], ["a", "\u0665"]),
        (r"\bé", "", ["aé"], ["é", " é"]),
        (r"a\b", "", ["aé", "a", "a b"], ["ab"]),
        (r"a\Bb", "", ["ab"], ["a b"]),
        (r"^[[:alpha:]_]+$", "", ["a_"], ["é", "1"]),
        (r"^[[:^alpha:]]$", "", ["1"], ["a"]),
        (r"(*UCP)^\d$", "", ["\u0665", "5"], ["x"]),
        (r"(*UTF8)(*UCP)^\w\b", "", ["é"], ["-", "éa"]),
        (r"(*UCP)^[[:alpha:]\d]+$", "", ["é\u0665"], ["-"]),
        (r"^\p{Lu}", "", ["É", "E"], ["é"]),
        (r"^[\p{Lu}\d]+$", "", ["É1"], ["é"]),
        ("é", "i", ["É"], ["e"]),
        # text to be taken as it is, and characters by number
        (r"^\Qa.b\E+$", "", ["a.bbb"], ["axb", "a.ba.b"]),
        (r"\Qa.b", "", ["a.b"], ["axb"]),
        (r"^[\Q^]\E]+$", "", ["^]"], ["a"]),
        (r"^\x{1F600}$", "", [EMOJI], ["x"]),
        (r"^\x41\o{102}[\x{43}]\e$", "", ["ABC\x1b"], ["ABCe"]),
        (r"^\cA\cz\c[$", "", ["\1\x1a\x1b"], ["cAczc["]),
        (r"\h\v", "", [" \n"], ["  "]),
        (r"^\H\V\N$", "", ["abc"], [" bc", "ab\n"]),
        (r"a\Rb", "", ["a\r\nb", "a\nb"], ["ab"]),
        # options in the middle
        ("a(?i)b|c", "", ["aB", "C"], ["AB"]),
        ("^(a(?i)b)c", "", ["aBc"], ["aBC"]),
        ("(?i)abc", "", ["ABC"], ["ab"]),
        ("(?i)a(?-i)b", "", ["Ab"], ["AB"]),
        ("(?x) a b # \\Q", "", ["ab"], ["a b"]),
        ("a(?s).b", "", ["a\nb"], ["ab"]),
        # ends
        (r"a\Z", "", ["a", "a\n"], ["ab"]),
        (r"a\z", "", ["a"], ["a\n"]),
        ("a$", "", ["a", "a\n"], ["a\nb"]),
        ("a$", "m", ["a\nb"], ["ab"]),
        # braces
        ("a{2}", "", ["aa"], ["a{2}"]),
        ("^a{,3}$", "", ["a{,3}"], ["a", "aaa"]),
        ("x{e<=1}", "", ["x{e<=1}"], ["x", "y"]),
        ("(?:foo){i<=1}", "", ["foo{i<=1}"], ["foo", "fooo"]),
        # comments
        ("a # [comment ( \n b", "x", ["ab"], ["a # b"]),
        ("a#b", "x", ["a"], ["b"]),
        ("(?#x[)ab", "", ["ab"], ["x"]),
        # sets
        ("^[]a]+$", "", ["]a"], ["b"]),
        ("^[^]a]$", "", ["b"], ["]", "a"]),
        ("^[[a]+$", "", ["[a"], ["b"]),
        (r"^[\]\-a]+$", "", ["]-a"], ["b"]),
        ("^[a&&b]+$", "", ["a&b"], ["c"]),
        # groups and references
        (r"(a)(?(1)b|c)", "", ["ab"], ["ac"]),
        (r"^(?|(a)|(b))\1$", "", ["aa", "bb"], ["ab"]),
        (r"^(?<n>a|b)\k<n>\k{n}$", "", ["aaa"], ["aba"]),
        (r"^(a|b)\g1\g{1}$", "", ["aaa"], ["aba"]),
        (r"^(a|b)\g<1>$", "", ["ab"], ["a"]),
        (r"^(?<n>a|b)\g<n>$", "", ["ab"], ["a"]),
        (r"^a++b", "", ["aab"], ["b"]),
        (r"^(\((?:[^()]|(?1))*\))$", "", ["(a(b)c)"], ["(a(b)c"]),
    ],
)
def test_a_pattern_finds_what_it_does_on_a_server(
    pattern: str, options: str, found: list[str], not_found: list[str]
) -> None:
    matches = compile_pattern(pattern, options)
    for text in found:
        assert matches(text), (text, rewrite_pattern(pattern))
    for text in not_found:
        assert not matches(text), (text, rewrite_pattern(pattern))


@pytest.mark.parametrize(
    "pattern", ["\\", "(", ")", "[", "[^", "(?#", "a**", "*", "\\Q" + "(" * 9 + "\\E(", "[z-a]", "(?P<"]
)
def test_what_is_no_pattern_is_refused_without_showing_it(pattern: str) -> None:
    with pytest.raises(InvalidQuery, match="no regular expression") as caught:
        compile_pattern(pattern, path="a")
    assert caught.value.server_code == 51091
    assert caught.value.path == "a"
    assert pattern not in caught.value.message or pattern in "()"


_atoms = st.sampled_from(
    [
        "a",
        "b",
        "1",
        " ",
        ".",
        r"\w",
        r"\W",
        r"\d",
        r"\D",
        r"\s",
        r"\S",
        "[ab]",
        "[^a]",
        r"[\w-]",
        r"[^\d ]",
        r"\.",
        "_",
        r"\b",
    ]
)
_patterns = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map(lambda part: f"(?:{part})"),
        inner.map(lambda part: f"({part})?"),
        inner.map(lambda part: f"(?:{part}){{1,2}}"),
        inner.map(lambda part: f"^{part}$"),
    ),
    max_leaves=6,
)


@given(_patterns, st.text("ab1 _.-\né", max_size=6))
@settings(max_examples=400)
def test_simple_patterns_find_what_python_finds_in_ascii_mode(pattern: str, text: str) -> None:
    assert compile_pattern(pattern)(text) == (re.search(pattern, text, re.ASCII) is not None)


@pytest.mark.parametrize(
    "pattern",
    [
        "a{65536}",
        "a{99999999999999999999}",
        "(?:(?:a{1000}){1000}){1000}",
        "((((a{10}b){10}){10}){10}){10}",
        "(?:[a-z]{300}b?){300}",
        "(?x)(?:a{300}# )\n){300}",
        "(?i)(?:(?m)a{300}){300}",
    ],
)
def test_a_pattern_whose_repetitions_are_too_many_is_refused_at_once(pattern: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match=f"{MAX_ITEMS:,} items") as caught:
        compile_pattern(pattern)
    assert time.perf_counter() - start < 0.1
    assert caught.value.server_code == 51091


@pytest.mark.parametrize("pattern", ["a{60000}", "(?:a{200}){200}", "(?:ab{0,50}){0,900}", "[a-z]{1,60000}"])
def test_a_pattern_with_many_repetitions_is_made_in_bounded_time(pattern: str) -> None:
    start = time.perf_counter()
    compile_pattern(pattern)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", "(?:a?){40}a{40}b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?=(a+))*b$"],
)
def test_a_hostile_pattern_holds_nobody_up_for_long(pattern: str) -> None:
    matches = compile_pattern(pattern)
    start = time.perf_counter()
    try:
        for _ in range(50):
            matches("a" * 5000 + "!")
    except InvalidQuery as error:
        assert "too long" in error.message  # noqa: PT017 - some of these are quick in this library
    # The limit of one search and the credit of all of them, on a busy machine.
    assert time.perf_counter() - start < 1.5


def test_the_patterns_of_a_filter_share_the_time_that_they_may_take() -> None:
    # None of them takes much longer than is usual.
    patterns = [f"(a|aa)+b?{number}$" for number in range(60)]
    matches = compile_filter(parse_filter({"$nor": [{"a": {"$regex": pattern}} for pattern in patterns]}))
    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match="too long"):
        all(matches({"a": "a" * 17 + "!"}) for _ in range(500))
    assert time.perf_counter() - start < 1.5


@pytest.mark.parametrize("pattern", [r"\b" * 16_000, r"\w+ " * 8_000, r"[^\W\d]" * 4_000])
def test_a_pattern_that_is_long_when_it_is_written_out_is_refused_at_once(pattern: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match=f"{MAX_SIZE:,} characters") as caught:
        compile_pattern(pattern)
    assert time.perf_counter() - start < 0.25
    assert caught.value.server_code == 51091


@pytest.mark.parametrize("length", [20, 30_000])
def test_the_patterns_of_a_filter_are_not_too_much_together(length: int) -> None:
    patterns = [re.compile(f"{number:05}" + "x" * (length - 5)) for number in range(MAX_SIZE // length)]
    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match=f"{MAX_SIZE:,} characters"):
        parse_filter({"$or": [{"a": {"$in": patterns}}, {"b": {"$elemMatch": {"c": {"$not": {"$in": patterns}}}}}]})
    assert time.perf_counter() - start < 1.0
    parse_filter({"a": {"$in": patterns[: len(patterns) // 2 or 1]}})


@pytest.mark.parametrize("pattern", [r"\b(?:x|y)\b", r"\bn\w+e\b", r"\w+q", r"(?i)\bneedle", r"[[:punct:]]\Z"])
def test_an_ordinary_pattern_gets_through_a_long_text(pattern: str) -> None:
    matches = compile_pattern(pattern)
    assert not matches("some words here to look through and nothing else " * 20_000)


async def test_the_loop_goes_on_while_a_store_searches_with_a_hostile_pattern() -> None:
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now

    store = create_store("memory://")
    await store.open()
    people = store["people"]
    await people.insert_many([{"name": "a" * length + "!"} for length in range(1, 400)])
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        start = time.perf_counter()
        with pytest.raises(OperationFailure, match="too long"):
            await people.find({"name": {"$regex": "^(a|aa|a?)+$"}}).to_list()
        took = time.perf_counter() - start
        beating.cancel()
    await store.close()
    assert took < 2.0
    # A search is a call that nothing can interrupt before its tenth of a second is over.
    assert longest < 0.25


@given(st.text("a(){}[]\\|*+?#QE^$.,:iP<>k1 \n", max_size=30), st.sampled_from(["", "x", "i"]))
@settings(max_examples=600)
def test_any_text_is_a_pattern_or_is_refused(pattern: str, options: str) -> None:
    try:
        matches = compile_pattern(pattern, options)
    except InvalidQuery:
        return
    assert isinstance(matches("aQ1"), bool)


def test_a_pattern_of_the_greatest_length_is_read_in_bounded_time() -> None:
    for item in ("a", "\\w", "[a]", "(a)", "\\Q", "{", "(?i)a", "[[:alpha:]]", "\\Qa\\E", "#"):
        pattern = item * (MAX_PATTERN // len(item))
        start = time.perf_counter()
        rewrite_pattern(pattern)
        assert time.perf_counter() - start < 1.0, item
