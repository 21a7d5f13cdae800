"""The few words of our own on pages for readers, in Vietnamese and in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from feeds.feed import FeedFormat
from publisher.labels import LabelKind

FORMAT_NAMES: Mapping[FeedFormat, str] = {
    FeedFormat.ATOM: "Atom",
    FeedFormat.RSS: "RSS",
    FeedFormat.JSON: "JSON Feed",
}


class Explained(NamedTuple):
    """Why there is no page, as a heading and a sentence."""

    title: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Words:
    """A language of the pages.

    Attributes:
        kinds: headings of feeds.
        copy: a label of a button.
        problems: by HTTP status.
        date_format: of `weekday`, `month` and `at`.
        weekdays: Monday first.
    """

    about: str
    newest: str
    nothing_yet: str
    feeds: str
    feeds_about: str
    everything: str
    directory_about: str
    subscribe: str
    subscribe_to_all: str
    article: str
    articles: str
    kinds: Mapping[LabelKind, str]
    initials: str
    more: str
    whole_directory: str
    copy: str
    copied: str
    api: str
    home: str
    corrected: str
    minutes: str
    by: str
    source: str
    original: str
    categories: str
    tags: str
    places: str
    related: str
    problems: Mapping[int, Explained]
    date_format: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...] = ()

    def date(self, at: datetime) -> str:
        """Return an instant as people read it, in its own zone: `Thứ ba, 23/11/2021, 08:52 (GMT+7)`."""
        month = self.months[at.month - 1] if self.months else ""
        date = self.date_format.format(weekday=self.weekdays[at.weekday()], month=month, at=at)
        return f"{date} ({_zone(at)})"

    def counted(self, articles: int, *, most: int) -> str:
        """Return how many articles there are, where nobody counted further than `most`: `100+ articles`."""
        more = "+" if articles >= most else ""
        return f"{articles}{more} {self.article if articles == 1 else self.articles}"


def words_for(language: str) -> Words:
    """Return the words for a language tag; who has no words of its own reads English."""
    return VIETNAMESE if language.lower().partition("-")[0] == "vi" else ENGLISH


def _zone(at: datetime) -> str:
    offset = at.utcoffset() or timedelta()
    sign = "-" if offset < timedelta() else "+"
    hours, minutes = divmod(int(abs(offset).total_seconds()) // 60, 60)
    return "GMT" + (f"{sign}{hours}" if offset else "") + (f":{minutes:02}" if minutes else "")


VIETNAMESE = Words(
    about="Tin mới nhất, và các nguồn tin để theo dõi bằng trình đọc tin của bạn.",
    newest="Mới nhất",
    nothing_yet="Chưa có bài nào.",
    feeds="Nguồn tin",
    feeds_about="Chép địa chỉ của một liên kết dưới đây vào trình đọc tin.",
    everything="Tất cả các bài",
    directory_about=(
        "Mỗi nguồn tin có một địa chỉ. Chép địa chỉ vào trình đọc tin của bạn, và bài mới sẽ tự tìm đến bạn."
    ),
    subscribe="Theo dõi",
    subscribe_to_all="Tất cả nguồn tin trong một tệp (OPML)",
    article="bài",
    articles="bài",
    kinds={
        LabelKind.CATEGORY: "Chuyên mục",
        LabelKind.TAG: "Từ khóa",
        LabelKind.AUTHOR: "Tác giả",
        LabelKind.SOURCE: "Nguồn",
        LabelKind.PLACE: "Địa danh",
        LabelKind.LAW: "Văn bản pháp luật",
        LabelKind.PERSON: "Nhân vật",
        LabelKind.TOPIC: "Chủ đề",
    },
    initials="Chữ cái đầu",
    more="Xem tiếp",
    whole_directory="Tất cả nguồn tin",
    copy="Chép",
    copied="Đã chép",
    api="Tài liệu API",
    home="Trang đầu",
    corrected="Cập nhật",
    minutes="phút đọc",
    by="Tác giả",
    source="Nguồn",
    original="Xem bài gốc",
    categories="Chuyên mục",
    tags="Từ khóa",
    places="Địa danh",
    related="Bài liên quan",
    problems={
        404: Explained("Không có trang này", "Địa chỉ không đúng, hoặc bài chưa được đăng."),
        410: Explained("Bài đã được gỡ", "Bài ở địa chỉ này đã được gỡ và không còn nữa."),
        503: Explained("Tạm thời gián đoạn", "Xin thử lại sau ít giây."),
    },
    date_format="{weekday}, {at:%d/%m/%Y}, {at:%H:%M}",
    weekdays=("Thứ hai", "Thứ ba", "Thứ tư", "Thứ năm", "Thứ sáu", "Thứ bảy", "Chủ nhật"),
)

ENGLISH = Words(
    about="The newest articles, and feeds to follow in your feed reader.",
    newest="Newest",
    nothing_yet="There are no articles yet.",
    feeds="Feeds",
    feeds_about="Copy the address of one of these links into a feed reader.",
    everything="All articles",
    directory_about=(
        "Each feed has an address. Copy it into your feed reader, and new articles will come to you."
    ),
    subscribe="Subscribe",
    subscribe_to_all="All feeds in one file (OPML)",
    article="article",
    articles="articles",
    kinds={
        LabelKind.CATEGORY: "Categories",
        LabelKind.TAG: "Tags",
        LabelKind.AUTHOR: "Authors",
        LabelKind.SOURCE: "Sources",
        LabelKind.PLACE: "Places",
        LabelKind.LAW: "Laws",
        LabelKind.PERSON: "People",
        LabelKind.TOPIC: "Topics",
    },
    initials="Initial",
    more="More",
    whole_directory="All feeds",
    copy="Copy",
    copied="Copied",
    api="API documentation",
    home="Home",
    corrected="Updated",
    minutes="min read",
    by="By",
    source="Source",
    original="Read the original",
    categories="Categories",
    tags="Tags",
    places="Places",
    related="Related",
    problems={
        404: Explained("There is no such page", "The address is wrong, or the article is not published yet."),
        410: Explained("This article was withdrawn", "What was at this address was taken down and is gone."),
        503: Explained("Not available right now", "Please try again in a few seconds."),
    },
    date_format="{weekday}, {at.day} {month} {at.year}, {at:%H:%M}",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
)
