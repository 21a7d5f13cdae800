"""`publisher ingest` and `publisher retract`, on a real database."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from publisher.access import Scope
from publisher.article import ArticleStatus
from publisher.database import Sessions
from publisher.schema import ArticleRow, EventTaskRow, RevisionRow
from tests.stages.api_server import running_api
from tests.stages.command import Publisher

PAGE = """Cần Thơ, Ngày 02/05/2024

Phường họp bàn việc giữ vỉa hè

Ngày đăng: 14/03/2022   07:05
Mặc định Cỡ chữ
Sáng 13/3, phường đã mời các hộ buôn bán ở hai tuyến phố đến bàn cách giữ vỉa hè cho người đi bộ.

Theo kế hoạch, từ đầu tháng tới, mỗi tuyến phố có một dải sơn rộng một mét dành cho người đi bộ.

Các hộ đồng ý thử trong ba tháng, sau đó cùng phường đo lại lượng người qua lại và quyết định.

Theo: baophuong.example
"""


def article(**members: Any) -> str:
    return json.dumps({"guid": "a-1", "title": "Mưa lớn", "content_text": "Nước lên.", **members})


def count(database: Sessions, row: type) -> int:
    with database() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def test_a_page_becomes_an_article_and_the_same_page_again_changes_nothing(
    publisher: Publisher, database: Sessions, tmp_path: Path
) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)
    (tmp_path / "lần hai.txt").write_text(unicodedata.normalize("NFD", PAGE).replace("\n", "\r\n"))

    first = publisher("ingest", "trang.txt", "--json")
    again = publisher("ingest", "lần hai.txt", "--json")

    assert (first.status, again.status) == (0, 0)
    assert first.json["outcome"] == "created"
    assert again.json == {**first.json, "path": "lần hai.txt", "outcome": "unchanged"}
    assert first.json["line"] == first.json["sequence"] == 1
    assert first.json["uri"].startswith("tag:news.example,")
    assert first.json["uri"].endswith(f":article/{first.json['id']}")
    with database() as session:
        stored = session.scalars(select(RevisionRow)).one()
        task = session.scalars(select(EventTaskRow.task)).one()
    assert stored.title == "Phường họp bàn việc giữ vỉa hè"
    assert (stored.guid or "").startswith("page:")
    assert task == "enrich"


def test_a_dry_run_shows_the_fields_and_needs_no_service(
    publisher: Publisher, database: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)
    monkeypatch.setenv("PUBLISHER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    for_programs = publisher("ingest", "--dry-run", "--json", "trang.txt")
    for_people = publisher("ingest", "--dry-run", "trang.txt")

    fields = for_programs.json
    assert (for_programs.status, for_people.status) == (0, 0)
    assert fields["title"] == "Phường họp bàn việc giữ vỉa hè"
    assert fields["published"] == "2022-03-14T07:05:00+07:00"
    assert fields["source"] == {"name": "baophuong.example"}
    assert "Cỡ chữ" not in fields["content_html"]
    assert "published: 2022-03-14T07:05:00+07:00" in for_people.out.splitlines()
    assert count(database, ArticleRow) == 0


def test_what_a_dry_run_prints_can_be_sent_in(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)
    page = publisher("ingest", "trang.txt", "--json").json

    shown = publisher("ingest", "trang.txt", "--dry-run", "--json").out
    sent = publisher("ingest", "-", "--json", stdin=shown.encode()).json

    assert (sent["outcome"], sent["id"]) == ("unchanged", page["id"])


def test_a_bad_line_harms_no_other(publisher: Publisher, database: Sessions) -> None:
    lines = [
        article(),
        article(guid="a-2", title=" "),
        "{",
        article(guid="a-4"),
        article(guid="a-5", colour=1),
    ]

    ended = publisher("ingest", "-", "--json", stdin="\n".join(lines).encode())

    assert ended.status == 2
    assert [one["line"] for one in ended.lines] == [1, 2, 3, 4, 5]
    assert [one.get("outcome") for one in ended.lines] == ["created", None, None, "created", None]
    assert ended.lines[1]["error"]["errors"][0]["pointer"] == "/title"
    assert [one["error"]["status"] for one in ended.lines if "error" in one] == [422, 400, 422]
    assert len(ended.err.splitlines()) == 3
    assert count(database, ArticleRow) == 2


def test_bad_input_is_told_in_the_words_of_the_api(publisher: Publisher, postgres_url: str) -> None:
    bad = article(title="", url="javascript:alert(1)")
    with running_api(postgres_url) as api:
        problem = httpx.post(
            f"{api.url}/v1/articles",
            content=bad,
            headers={
                "Authorization": f"Bearer {api.key(Scope.ARTICLES_WRITE)}",
                "Content-Type": "application/json",
            },
            trust_env=False,
        ).json()

    ended = publisher("ingest", "-", stdin=bad.encode())

    assert ended.status == 2
    assert ended.out == ""
    for error in problem["errors"]:
        assert f"{error['pointer'].removeprefix('/')}: {error['detail']}" in ended.complaint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "No such file", id="a file that is not there"),
        pytest.param(b"", "not JSON", id="an empty file"),
        pytest.param(b"\x00\x01\x02", "not JSON", id="binary data"),
        pytest.param(b'{"title": "\xff"}', "UTF-8", id="not UTF-8"),
        pytest.param(b"x" * 2_000_001, "at most 2,000,000 bytes", id="too much"),
        pytest.param(b"[1, 2", "not JSON", id="half of a list"),
        pytest.param(b'{"title": 1\x1b[31m}', "not JSON", id="escapes for the terminal"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_the_rest_is_stored(
    publisher: Publisher, database: Sessions, tmp_path: Path, content: bytes | None, told: str
) -> None:
    (tmp_path / "good.json").write_text(article())
    if content is not None:
        (tmp_path / "bad.json").write_bytes(content)

    ended = publisher("ingest", "bad.json", "good.json")

    assert ended.status == 2
    assert ended.complaint.startswith("bad.json: ")
    assert told in ended.complaint
    assert "\x1b" not in ended.err
    assert ended.out.startswith("created ")
    assert count(database, ArticleRow) == 1


def test_a_folder_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "bài").mkdir()

    ended = publisher("ingest", "bài")

    assert (ended.status, ended.complaint) == (2, "bài: input: cannot be read (Is a directory)")


def test_json_without_url_and_guid_gets_a_name_of_its_own(publisher: Publisher) -> None:
    nameless = json.dumps({"title": "Mưa lớn", "content_text": "Nước lên."}).encode()
    changed = json.dumps({"title": "MƯA  LỚN", "content_text": "Nước rút."}).encode()

    first = publisher("ingest", "-", "--json", stdin=nameless).json
    second = publisher("ingest", "-", "--json", stdin=changed).json

    assert (second["outcome"], second["id"], second["sequence"]) == ("revised", first["id"], 2)


def test_a_retracted_article_stays_so_and_its_readers_lose_it(
    publisher: Publisher, database: Sessions
) -> None:
    made = publisher("ingest", "-", "--json", stdin=article().encode()).json

    ended = publisher("retract", made["id"], "--reason", "Sai sự thật", "--json")
    again = publisher("retract", made["uri"])
    sent_again = publisher("ingest", "-", stdin=article().encode())

    assert ended.json == {"id": made["id"], "status": "retracted"}
    assert (again.status, again.out) == (0, f"retracted {made['id']}\n")
    assert sent_again.status == 2
    assert "retracted" in sent_again.complaint
    with database() as session:
        row = session.scalars(select(ArticleRow)).one()
    assert (row.status, row.retraction_reason, row.sequence) == (ArticleStatus.RETRACTED, "Sai sự thật", 2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["retract", "7"], "ID: is '7', expected a UUID"),
        (["retract", "018f0000-0000-7000-8000-0000000000ff"], "does not exist"),
        (["retract", "018f0000-0000-7000-8000-0000000000ff", "--reason", "x" * 501], "reason: expected"),
        (["retract"], "Missing argument"),
        (["ingest"], "Missing argument"),
        (["ingest", "--fast", "x"], "No such option"),
        (["inget"], "No such command"),
    ],
)
def test_what_makes_no_sense_is_one_line(publisher: Publisher, arguments: list[str], told: str) -> None:
    ended = publisher(*arguments)

    assert ended.status == 2
    assert told in ended.complaint
