"""HTML and text that nobody would write, and some that somebody did."""

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()))

_TAGS = (
    "p div span h1 h2 ul ol li dl dt dd table caption tbody tr td th a b i em code pre img video audio "
    "source br hr blockquote figure figcaption script style svg math template form select option iframe "
    "noscript title xmp textarea plaintext mglyph mtext annotation-xml foreignObject nobr button object"
)
_ATTRIBUTES = (
    ' href="x"',
    " href=javascript:alert(1)",
    " href='JaVa\tScript:alert(1)'",
    ' src="//evil.example/x"',
    " src=data:text/html,x",
    " onclick=alert(1)",
    ' style="x:expression(1)"',
    ' srcset="a 1x, b 2x"',
    ' title="</b><script>"',
    ' alt="&quot;&gt;"',
    ' xlink:href="javascript:1"',
    " /",
    ' title="unclosed',
)
_TAG = st.builds(
    "<{}{}{}>".format,
    st.sampled_from(("", "", "/")),
    st.sampled_from(_TAGS.split()),
    st.lists(st.sampled_from(_ATTRIBUTES), max_size=3).map("".join),
)
# fmt: off
_ODDITIES = st.sampled_from((
    "<!--", "-->", "<![CDATA[", "]]>", "<!", "<?", "</", "<", ">", "&", "&amp;", "&lt;", "&#60;", "&#824;",
    "\u0338", "&#0;", "&#xD800;", "\x00", "\ud800", "\ufffe", "\u202e", "\u200b", "\n", "\n\n", "e\u0301",
    "\u0301", "😀", "Đ",
))
# fmt: on
ANY_HTML = st.lists(_TAG | _ODDITIES | ANY_TEXT, max_size=25).map("".join)

# A few hundred kilobytes each: seconds and minutes for what takes quadratic time.
HOSTILE_HTML = {
    "nested": "<div>" * 45_000,
    "nested and closed wrongly": "<div>" * 22_000 + "</p>" * 31_000,
    "formatted": "<b><i>" * 22_000,
    "formatted and repeated": "<b><i><u>" * 1_000 + "<p>x" * 20_000,
    "tables": "<table><td>" * 20_000,
    "lists": "<ul><li>" * 20_000,
    "links": "<a href=x>y" * 10_000,
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(50_000)) + ">x",
    "spaces": "<p " + " " * 150_000 + "a" + " " * 150_000 + ">x",
    "comments": "<!--" * 70_000,
    "brackets": "<" * 250_000,
    "declarations": "<!" * 150_000,
    "unclosed tags": "<a" * 150_000,
    "unclosed quotes": "<a b='" * 50_000,
    "ampersands": "&" * 1_000_000,
    "escaped ampersands": "a&amp;" * 100_000,
    "scripts": "<script></script>" * 20_000,
    "one word": "a" * 300_000,
    "marks": "a" + "\u0301\u0316" * 70_000,
    "invisible": "\u200b\u202e" * 100_000,
}
