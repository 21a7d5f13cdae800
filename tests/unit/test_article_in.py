"""Articles as clients send them in JSON."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.article import Image, Person, Related, Source
from publisher.errors import FieldProblem, InvalidInput
from publisher.ingest.article_in import ArticleIn, parse_article
from publisher.ingest.submission import Submission
from publisher.text import forbidden_characters

COMPLETE = {
    "url": "https://e.vn/bai/1",
    "guid": "bai-1",
    "title": "  Phường đối thoại\u00a0với dân ",
    "content_html": "<p>Nội dung</p><img src=/a.jpg>",
    "summary": "Tóm\ntắt",
    "language": "vi",
    "authors": [{"name": "Lan", "email": "lan@e.vn", "url": "https://e.vn/lan"}],
    "categories": ["Xã hội", "xa hoi", "Giao thông"],
    "tags": ["đô thị"],
    "places": ["Đà  Nẵng", "da nang", "Sơn Trà"],
    "images": [
        {
            "url": "https://e.vn/a.jpg",
            "alt": "Ảnh",
            "caption": "",
            "media_type": "Image/JPEG",
            "length": 2**53,
        },
        {"url": "https://e.vn/b.jpg", "media_type": None, "length": None},
    ],
    "source": {"name": "e.vn", "url": None},
    "related": [{"title": "Bài khác", "published": "2021-11-20T00:00:00Z"}],
    "published": "2021-11-23T08:52:00+07:00",
    "visible_from": "2021-11-23T09:00:00.5+07:00",
    "notify": False,
    "restore": True,
}


def article(**changes: Any) -> dict[str, Any]:
    return {"guid": "g", "title": "T", "content_text": "a", **changes}


def picture(**details: Any) -> dict[str, Any]:
    return {"images": [{"url": "https://e.vn/a.jpg", **details}]}


def problems(raw: object) -> list[FieldProblem]:
    with pytest.raises(InvalidInput) as caught:
        parse_article(raw)
    return list(caught.value.problems)


def test_a_complete_article_becomes_a_clean_submission() -> None:
    assert parse_article(COMPLETE) == Submission(
        url="https://e.vn/bai/1",
        guid="bai-1",
        title="Phường đối thoại với dân",
        content_html='<p>Nội dung</p><img src="https://e.vn/a.jpg">',
        summary="Tóm tắt",
        language="vi",
        authors=(Person(name="Lan", email="lan@e.vn", url="https://e.vn/lan"),),
        categories=("Xã hội", "Giao thông"),
        tags=("đô thị",),
        places=("Đà Nẵng", "Sơn Trà"),
        images=(
            Image(url="https://e.vn/a.jpg", alt="Ảnh", media_type="image/jpeg", length=2**53),
            Image(url="https://e.vn/b.jpg"),
        ),
        source=Source(name="e.vn"),
        related=(Related(title="Bài khác", published=datetime(2021, 11, 20, tzinfo=UTC)),),
        published=datetime(2021, 11, 23, 1, 52, tzinfo=UTC),
        visible_from=datetime(2021, 11, 23, 2, 0, 0, 500_000, tzinfo=UTC),
        notify=False,
        restore=True,
    )


def test_an_identity_a_title_and_a_body_are_enough() -> None:
    assert parse_article(article()) == Submission(guid="g", title="T", content_text="a")


def test_markup_in_a_title_is_kept_as_text() -> None:
    assert parse_article(article(title="1 < 2 & <b>x</b>")).title == "1 < 2 & <b>x</b>"


@pytest.mark.parametrize(
    "language", ["vi", "en-GB", "zh-Hant-TW", "sl-rozaj-biske", "de-1996", "es-419", "en-x-local"]
)
def test_well_formed_languages_are_accepted(language: str) -> None:
    assert parse_article(article(language=language)).language == language


def test_a_day_in_the_future_is_kept() -> None:
    assert parse_article(article(published="2099-12-31T23:59:59Z")).published == datetime(
        2099, 12, 31, 23, 59, 59, tzinfo=UTC
    )


def test_what_was_removed_is_named() -> None:
    submission = parse_article(
        article(
            title="a\x00b\ud800", content_text=None, content_html="<p onclick=x>a\x1b</p><script>x</script>"
        )
    )

    assert submission.title == "ab"
    assert submission.content_html == "<p>a</p>"
    assert submission.warnings == (
        "title: removed control character (2)",
        "content_html: removed control character, onclick attribute, script",
    )


def test_half_a_character_in_text_is_removed_everywhere() -> None:
    half = "a\ud800b"

    submission = parse_article(
        article(
            summary=half,
            tags=[half],
            places=[half],
            authors=[{"name": half}],
            images=[{"url": "https://e.vn/a.jpg", "alt": half}],
            related=[{"title": half, "summary": half}],
        )
    )

    assert submission.tags == submission.places == ("ab",)
    assert submission.summary == submission.authors[0].name == "ab"
    assert submission.images[0].alt == submission.related[0].summary == "ab"
    assert submission.warnings == ("summary: removed control character",)


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"guid": None}, "/url", "url or guid"),
        ({"content_text": None}, "/content_html", "neither was given"),
        ({"content_html": "<p>a</p>"}, "/content_text", "both were given"),
        (
            {"content_text": None, "content_html": "<script>x</script>"},
            "/content_html",
            "nothing of it is left",
        ),
        ({"content_text": " \u200b\x00\n"}, "/content_text", "not empty"),
        ({"content_text": ""}, "/content_text", "not empty"),
        ({"title": " \u00a0\x07"}, "/title", "not empty"),
        ({"title": "a" * 501}, "/title", "at most 500 characters"),
        ({"title": 5}, "/title", "expected text"),
        ({"title": 10**400}, "/title", "expected text"),
        ({"title": True}, "/title", "expected text"),
        ({"title": None}, "/title", "expected text"),
        ({"title": ["a"]}, "/title", "expected text"),
        ({"url": "javascript:alert(1)"}, "/url", "absolute http or https"),
        ({"url": "data:text/html,x"}, "/url", "absolute http or https"),
        ({"url": "ftp://e.vn/a"}, "/url", "absolute http or https"),
        ({"url": "/bai/1"}, "/url", "absolute http or https"),
        ({"url": "https:///a"}, "/url", "absolute http or https"),
        ({"url": "https://e.vn:99999/"}, "/url", "absolute http or https"),
        ({"url": "https://[::1/"}, "/url", "absolute http or https"),
        ({"url": "https://a:b@e.vn/"}, "/url", "without user name"),
        ({"url": "https://e.vn/a b"}, "/url", "without spaces"),
        ({"url": "https://e.vn/\u0000"}, "/url", "without control"),
        ({"url": "https://e.vn/\r\nX: y"}, "/url", "without control"),
        ({"url": "https://e.vn/\ud800"}, "/url", "without control"),
        ({"url": "https://e.vn/\u200b"}, "/url", "without control or invisible"),
        ({"url": "https://e.vn/" + "a" * 2_000}, "/url", "at most 2000"),
        ({"url": ""}, "/url", "absolute http or https"),
        ({"guid": ""}, "/guid", "1 to 1000 characters"),
        ({"guid": "a" * 1_001}, "/guid", "1 to 1000 characters"),
        ({"guid": "a\nb"}, "/guid", "without control"),
        ({"guid": "a\ud800"}, "/guid", "without control"),
        ({"language": "tiếng Việt"}, "/language", "BCP 47"),
        ({"language": "vi_VN"}, "/language", "BCP 47"),
        ({"language": "x-none"}, "/language", "BCP 47"),
        ({"published": "2021-11-23T08:52:00"}, "/published", "RFC 3339 with an offset"),
        ({"published": "23/11/2021"}, "/published", "RFC 3339 with an offset"),
        ({"published": 1637632320}, "/published", "RFC 3339 with an offset"),
        ({"published": float("nan")}, "/published", "RFC 3339 with an offset"),
        ({"published": "2021-02-30T00:00:00Z"}, "/published", "exist"),
        ({"published": "2021-02-01T00:00:00+99:00"}, "/published", "exist"),
        ({"published": "0001-01-01T00:00:00+07:00"}, "/published", "1900 to 2100"),
        ({"visible_from": "9999-12-31T23:59:59-07:00"}, "/visible_from", "1900 to 2100"),
        ({"notify": "true"}, "/notify", "true or false"),
        ({"restore": 1}, "/restore", "true or false"),
        ({"tags": "a"}, "/tags", "expected a list"),
        ({"tags": ["a", ""]}, "/tags/1", "not empty"),
        ({"tags": ["a" * 101]}, "/tags/0", "at most 100 characters"),
        ({"places": "Huế"}, "/places", "expected a list"),
        ({"places": ["Huế", " "]}, "/places/1", "not empty"),
        ({"places": ["a" * 101]}, "/places/0", "at most 100 characters"),
        ({"places": ["a"] * 51}, "/places", "at most 50 items"),
        ({"categories": ["a"] * 51}, "/categories", "at most 50 items"),
        ({"categories": [{"a": [[]]}]}, "/categories/0", "expected text"),
        ({"authors": ["Lan"]}, "/authors/0", "expected an object"),
        ({"authors": [{"url": "https://e.vn"}]}, "/authors/0/name", "required"),
        ({"authors": [{"name": "a", "url": "x"}]}, "/authors/0/url", "absolute http or https"),
        ({"authors": [{"name": "a", "email": "a b@c"}]}, "/authors/0/email", "e-mail"),
        ({"images": [{"url": "javascript:x"}]}, "/images/0/url", "absolute http or https"),
        (picture(media_type="jpeg"), "/images/0/media_type", "such as image/jpeg"),
        (picture(media_type="text/html"), "/images/0/media_type", "such as image/jpeg"),
        (picture(media_type="image/png; q=1"), "/images/0/media_type", "without parameters"),
        (picture(media_type="image/png\n"), "/images/0/media_type", "such as image/jpeg"),
        (picture(media_type="image/" + "a" * 128), "/images/0/media_type", "such as image/jpeg"),
        (picture(media_type=1), "/images/0/media_type", "expected text"),
        (picture(length=-1), "/images/0/length", "at least 0"),
        (picture(length=2**53 + 1), "/images/0/length", f"at most {2**53}"),
        (picture(length=1.5), "/images/0/length", "whole number"),
        (picture(length="5"), "/images/0/length", "whole number"),
        (picture(length=True), "/images/0/length", "whole number"),
        ({"source": {"name": "a", "url": "//e.vn"}}, "/source/url", "absolute http or https"),
        ({"related": [{"title": "a", "url": "a"}]}, "/related/0/url", "absolute http or https"),
        ({"related": [{"title": "a", "published": "2021-11-23"}]}, "/related/0/published", "RFC 3339"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown field"),
        ({"authors": [{"name": "a", "role": "b"}]}, "/authors/0/role", "unknown field"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    changes: dict[str, Any], pointer: str, detail: str
) -> None:
    (problem,) = problems(article(**changes))

    assert problem.pointer == pointer
    assert detail in problem.detail


def test_every_wrong_field_is_named() -> None:
    found = problems({"title": 1, "url": "x", "tags": [1, "a", 2], "colour": "red"})

    assert [one.pointer for one in found] == ["/url", "/title", "/tags/0", "/tags/2", "/colour"]


@pytest.mark.parametrize("raw", [None, [], "a", 5, float("inf"), True])
def test_what_is_no_object_is_refused_as_a_whole(raw: object) -> None:
    assert problems(raw) == [FieldProblem(pointer="", detail="expected an object")]


def test_a_field_name_with_half_a_character_is_refused() -> None:
    (problem,) = problems(article(**{"\ud800": 1}))

    assert "well-formed Unicode" in problem.detail


def test_an_answer_to_countless_wrong_fields_is_short() -> None:
    found = problems(article(**{f"{i}{'a' * 1_000}": i for i in range(1_000)}))

    assert len(found) == 100
    assert all(len(one.pointer) <= 201 for one in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*ArticleIn.model_fields, "other"]), JSON))
def test_any_json_is_accepted_or_refused_by_name(raw: dict[str, Any]) -> None:
    accepted, refusal = accept({**article(), **raw})

    if refusal:
        assert all(problem.detail for problem in refusal.problems)
        assert str(refusal).encode()
    else:
        assert accepted
        assert forbidden_characters(accepted.title + (accepted.content_text or "")) == 0
        assert repr(accepted).encode()


def accept(raw: object) -> tuple[Submission | None, InvalidInput | None]:
    try:
        return parse_article(raw), None
    except InvalidInput as refusal:
        return None, refusal


def test_the_documented_example_is_valid() -> None:
    schema = ArticleIn.model_json_schema()

    assert parse_article(schema["example"]).warnings == ()
    assert json.dumps(schema)
    assert schema["additionalProperties"] is False
