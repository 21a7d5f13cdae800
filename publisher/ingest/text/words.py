"""The words by which Vietnamese portals name what is not the article: controls, lists, boxes, footers.

Patterns meet a whole line, folded (no marks, lower case), so `Bình luận` is a heading and
`bình luận của chuyên gia về …` is not.
"""

import re


def _any_of(*forms: str) -> str:
    return f"(?:{'|'.join(forms)})"


_CONTROL = _any_of(
    *("mac dinh", "co chu", "kieu chu", "chu (?:nho|lon|vua)", "do tuong phan", r"a[+-]?"),
    *("chia se(?: bai viet)?", "share", "tweet", "facebook", "zalo", "twitter", "linkedin", "pinterest"),
    *("telegram", "messenger", "email", "(?:tren )?google news", "sao chep (?:lien ket|link)", "copy link"),
    *("in bai(?: viet)?", "in trang", "in tin", "ban in", "print", "luu (?:bai viet|tin|bai)"),
    *("gui (?:email|bai viet|cho ban be|tin)", "nghe (?:doc bai|bai viet|tin)", "doc bai viet", "thich"),
    "theo doi",
)
_VIEWS = _any_of("luot (?:xem|doc|truy cap)", "da xem", "views?")
# Any of these may head a part of an article, too.
NAVIGATION = re.compile(
    _any_of(
        *(
            "gioi thieu",
            "lien he",
            "dang nhap",
            "dang ky",
            "tim kiem",
            "english",
            "tieng viet",
            "rss",
            "menu",
        ),
        *("so do (?:trang|cong)", "hoi dap", "thu vien(?: anh| video)?", "tin tuc(?: - su kien)?"),
    )
)
CHROME = re.compile(
    _any_of(
        rf"(?:{_CONTROL}(?![a-z0-9])[ :|,/+()0-9-]*)+",
        rf"(?:tong )?(?:so )?{_VIEWS}(?: trang)? ?:? ?[0-9.,]*",
        rf"[0-9.,]+ (?:{_VIEWS}|binh luan)",
        *("(?:ve |len )?dau trang", "quay lai", "tro (?:ve|lai)(?: trang chu| dau trang)?"),
        *(
            "trang (?:truoc|sau)",
            "[<>«»‹› ]*1 2 [<>«»‹› .0-9]*",
            "skip to content",
            "quang cao",
            "danh gia(?: bai viet)?",
        ),
        *(r"(?:trang chu|home)(?: ?[>»›/|].*)?", r"[*★☆ ]+", r"[-_= ]{3,}"),
    )
)

_ITEMS = _any_of("tin tuc", "tin bai", "tin", "bai viet", "bai", "tin,? bai")
RELATED = re.compile(
    _any_of(
        rf"(?:(?:cac|nhung) )?{_ITEMS} (?:khac|lien quan|cung (?:chuyen muc|chu de)|da dua|moi hon|cu hon)",
        *("cung (?:chuyen muc|chu de)", "(?:doc|xem) them", "co the ban quan tam", "tin cung loai"),
        "related(?: articles| news| posts)?",
    )
)
ASIDE = re.compile(
    _any_of(
        r"(?:y kien )?binh luan(?: cua ban| bai viet)?(?: ?\(?[0-9]+\)?)?",
        r"y kien (?:ban doc|cua ban|doc gia)(?: ?\([0-9]+\))?",
        *("(?:gui|viet|them) (?:binh luan|y kien|phan hoi)(?: cua ban)?", "phan hoi(?: cua ban doc)?"),
        *("comments?", "(?:tin )?(?:doc|xem) nhieu(?: nhat)?", "tin (?:moi|nong|noi bat)(?: nhat)?"),
        "tin moi cap nhat",
    )
)
# These say whose page it is and stand nowhere else.
IMPRINT = re.compile(
    _any_of(
        *("©", r"\(c\) ", "copyright", "ban quyen (?:thuoc|cua|©)", "powered by", "thiet ke (?:boi|va) "),
        *(
            "giay phep (?:so|thiet lap|hoat dong|xuat ban)",
            "(?:nguoi )?chiu trach nhiem (?:noi dung|chinh) ?:",
        ),
        *("(?:co quan|don vi) chu quan ?:", "tong bien tap ?:", "(?:vui long |de nghi )?ghi (?:ro )?nguon"),
    )
    + ".*"
)
# These may just as well end an article about an office: one alone is no footer.
CONTACT = re.compile(
    _any_of(
        *("dia chi", "tru so(?: chinh)?", "toa soan", "dien thoai(?: [a-z ]{1,20})?", "hotline", "dt", "tel"),
        *("duong day nong", "fax", "e-?mail", "website", "(?:dang|so nguoi) (?:online|truc tuyen|truy cap)"),
    )
    + " ?: ?.*"
)
OFFICE = re.compile(
    _any_of(
        "bo", "so", "uy ban", "ubnd", "hdnd", "cong thong tin", "trang thong tin", "tap chi", "bao", "ban"
    )
    + " .*"
)
CLOCK = re.compile(
    r"(?:hom nay ?[:,]? )?(?:[a-z. ]{2,30}, )?"
    r"(?P<date>(?:thu (?:hai|ba|tu|nam|sau|bay|[2-7])|chu nhat|ngay)\b.*|[0-9]{1,2}[/.-].*)"
)

# A label meets the text itself, marks and all, because what follows it is kept.
PUBLISHED = re.compile(
    r"(?:ngày|giờ)? ?(?:đăng(?: tải| lúc| ngày| bài| tin)?|xuất bản|phát hành|cập nhật(?: lúc| ngày)?)"
    r"(?: lúc)? ?(?::|(?=[ (]?[0-9]))\s*(?P<value>.+?)"
    r"(?:\s*[|(–-]?\s*(?:số )?(?:lượt|đã xem|tác giả|nguồn|bình luận).*)?",
    re.IGNORECASE,
)
CREDIT = re.compile(r"(?:theo|(?:theo )?nguồn(?: tin)?) ?:\s*(?P<value>.+)", re.IGNORECASE)
BYLINE = re.compile(
    r"(?:tác giả|bài(?: viết)?|tin|người viết|thực hiện|phóng viên|pv|by"
    r"|(?:tin|bài)(?:,| và| -| &|, bài và) ảnh) ?:\s*(?P<value>.+)",
    re.IGNORECASE,
)
TAGS = re.compile(r"(?:từ khóa|từ khoá|tags?|keywords?) ?:\s*(?P<value>.+)", re.IGNORECASE)
POINTER = re.compile(
    r"(?:>+|»)?\s*(?:đọc thêm|xem thêm|(?:tin|bài|bài viết) liên quan) ?:\s*(?P<value>.+)", re.IGNORECASE
)
