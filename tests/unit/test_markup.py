"""HTML as tags and text, and the way between HTML and plain text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.markup import EndTag, StartTag, Text, escaped, tokens
from publisher.paragraphs import html_of, paragraphs_of, text_of
from publisher.text import forbidden_characters
from tests.unit.html_strategies import ANY_HTML, ANY_TEXT, HOSTILE_HTML


def text(markup: str) -> str:
    return "".join(token.text for token in tokens(markup) if isinstance(token, Text))


def test_tags_and_text_come_in_order() -> None:
    assert list(tokens("<p class='a b'>Hi<BR/></P>")) == [
        StartTag("p", {"class": "a b"}),
        Text("Hi", resolved=False),
        StartTag("br", {}),
        EndTag("p"),
    ]


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("<a href=/x title>", {"href": "/x", "title": ""}),
        ("<a href = \"a>b\" HREF='second'>", {"href": "a>b"}),
        ("<a href='?a=1&copy=2&amp;b=3'>", {"href": "?a=1&copy=2&b=3"}),
        ("<img/src=x/alt=y>", {"src": "x/alt=y"}),
        ("<a\nhref\n=\nx\n>", {"href": "x"}),
    ],
)
def test_attributes_are_read_as_browsers_read_them(tag: str, attributes: dict[str, str]) -> None:
    token = next(tokens(tag))

    assert isinstance(token, StartTag)
    assert token.attributes == attributes


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a<!-- <b> -->b", "ab"),
        ("a<!-->b", "ab"),
        ("a<!doctype html>b<?php x ?>c</ d>e", "abce"),
        ("a<script>if (a</b) '<p>'</script >b", "ab"),
        ("a<style>p {}</style>b<title>c</title>d", "abd"),
        ("1 < 2 &lt; 3 &amp; &#x1F600; &nbsp", "1 < 2 < 3 & 😀 \u00a0"),
        ("a<b unclosed='x", "a"),
        ("a<!-- unclosed", "a"),
        ("a<script>unclosed", "a"),
    ],
)
def test_only_what_is_shown_is_text(markup: str, expected: str) -> None:
    assert text(markup) == expected


def test_a_reference_of_thousands_of_digits_is_one_unknown_character() -> None:
    assert text(f"&#{'9' * 5_000};") == "\ufffd"


@pytest.mark.parametrize("markup", HOSTILE_HTML.values(), ids=HOSTILE_HTML.keys())
def test_hostile_html_is_read_in_linear_time(markup: str) -> None:
    started = time.process_time()

    text_of(markup)

    assert time.process_time() - started < 2


@given(ANY_HTML)
def test_any_html_can_be_read(markup: str) -> None:
    assert forbidden_characters(text_of(markup)) == 0


@given(st.text())
def test_escaped_text_reads_back(raw: str) -> None:
    assert text(escaped(raw)) == raw


def test_blocks_are_parted_by_blank_lines_and_items_by_line_ends() -> None:
    table = "<table><tr><td>x</td><td>y</td></tr></table>"
    markup = f"<h2>T</h2><p>a<br>b <b>c</b>d</p><ul><li>1</li><li>2</li></ul>{table}z"

    assert text_of(markup) == "T\n\na\nb cd\n\n1\n2\n\nx y\n\nz"


def test_each_paragraph_knows_its_element() -> None:
    found = paragraphs_of("<h2>T</h2><figure><img><figcaption>C</figcaption></figure><p>P<p>Q")

    assert [(one.element, one.text) for one in found] == [
        ("h2", "T"),
        ("figcaption", "C"),
        ("p", "P"),
        ("p", "Q"),
    ]


@pytest.mark.parametrize(
    ("plain", "markup"),
    [
        ("a\nb\n\n \n\nc", "<p>a<br>b</p><p>c</p>"),
        ("1 < 2 & <script>", "<p>1 &lt; 2 &amp; &lt;script&gt;</p>"),
        ("one\r\n\r\ntwo", "<p>one</p><p>two</p>"),
        ("\u0338 onload=x", "<p> onload=x</p>"),
        (" \n ", ""),
    ],
)
def test_plain_text_becomes_paragraphs(plain: str, markup: str) -> None:
    assert html_of(plain) == markup


@given(ANY_TEXT)
def test_plain_text_never_becomes_other_tags(plain: str) -> None:
    markup = html_of(plain)

    assert {token.name for token in tokens(markup) if not isinstance(token, Text)} <= {"p", "br"}
    assert forbidden_characters(markup) == 0
