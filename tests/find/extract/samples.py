# SPDX-License-Identifier: Apache-2.0
"""Small files of every kind, as bytes."""

import base64
import email.message
import email.policy
import gzip
import io
import tarfile
import zipfile

# "hello.txt" with "Text in a packed member.", as bsdtar packs it.
SEVEN_ZIP = base64.b64decode(
    "N3q8ryccAAPA7VQkJAAAAAAAAABqAAAAAAAAAIQ1yyIAKhlLB2W2/J4/6/0GBDg/ggHPJDhCmiT+3Ph6n5n///gNQA"
    "ABBAYAAQkkAAcLAQABIwMBAQVdAACAAAwZAAgKAUI3F4IAAAUBERUAaABlAGwAbABvAC4AdAB4AHQAAAAUCgEAy9/r"
    "InWA3QESCgEAy9/rInWA3QETCgEAy9/rInWA3QEVBgEAIICkgQAA"
)


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    """A zip file of names and texts, in their order; a mimetype is stored as it must be."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            kind = zipfile.ZIP_STORED if name == "mimetype" else compression
            archive.writestr(zipfile.ZipInfo(name), content, kind)
    return out.getvalue()


def tarred(members, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def message(subject="A plan", html=None, attachments=None, plain="See you at noon.\n"):
    made = email.message.EmailMessage(policy=email.policy.SMTP.clone(linesep="\n"))
    made["From"] = "Ann <ann@example.org>"
    made["To"] = "bob@example.org"
    made["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    made["Message-ID"] = "<1@example.org>"
    made["Subject"] = subject
    if plain is not None:
        made.set_content(plain)
    if html is not None and plain is not None:
        made.add_alternative(html, subtype="html")
    elif html is not None:
        made.set_content(html, subtype="html")
    for name, content in (attachments or {}).items():
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def mailbox(*messages):
    mark = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"
    return b"".join(mark + each + b"\n" for each in messages)


def pdf(pages, title="A report", font=b"/Type/Font/Subtype/Type1/BaseFont/Helvetica", extra=()):
    """Pages of one line each; texts are bytes of the font's encoding. Objects: 1 catalog, 2 pages,
    3 information, 4 font, then `extra`, then two for each page."""
    first = 5 + len(extra)
    kids = b" ".join(b"%d 0 R" % (first + 2 * i) for i in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids),
        b"<</Title(%s)>>" % title.encode(),
        b"<<" + font + b">>",
        *extra,
    ]
    for i, text in enumerate(pages):
        stream = b"BT /F 12 Tf 20 100 Td <%s> Tj ET" % text.hex().encode()
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 200]/Contents %d 0 R"
            b"/Resources<</Font<</F 4 0 R>>>>>>" % (first + 2 * i + 1)
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R/Info 3 0 R>>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def chinese_pdf():
    """Names a table that is no part of the file, so a reader must have it."""
    font = b"/Type/Font/Subtype/Type0/BaseFont/SimSun/Encoding/UniGB-UCS2-H/DescendantFonts[5 0 R]"
    below = (
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/SimSun/CIDSystemInfo"
        b"<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>/DW 1000>>"
    )
    return pdf(["老鼠找到文件".encode("utf-16-be")], font=font, extra=[below])


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = {"[Content_Types].xml": "<Types/>"}
CORE = {
    "docProps/core.xml": '<cp:coreProperties xmlns:cp="c" xmlns:dc="d"><dc:title>A title'
    "</dc:title></cp:coreProperties>"
}


def relations(targets):
    return "<Relationships>%s</Relationships>" % "".join(
        f'<Relationship Id="{name}" Type="{RELATION}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )


def docx():
    def paragraph(text, style=""):
        named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f'<w:p>{named}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'

    body = (
        paragraph("Before all.")
        + paragraph("Erster Teil", "berschrift1")
        + "<w:p><w:r><w:t>Two</w:t></w:r><w:r><w:t> </w:t></w:r><w:r><w:t>runs.</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        + paragraph("Detail", "berschrift2")
        + f"<w:tbl><w:tr><w:tc>{paragraph('a')}</w:tc><w:tc>{paragraph('b')}</w:tc></w:tr></w:tbl>"
        + paragraph("End.")
    )
    style = (
        '<w:style w:styleId="berschrift{0}"><w:name w:val="heading {0}"/></w:style>'
    )
    return zipped({
        **TYPES,
        **CORE,
        "word/styles.xml": f"<w:styles {W}>{style.format(1)}{style.format(2)}</w:styles>",
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/footnotes.xml": f"<w:footnotes {W}><w:footnote>{paragraph('A footnote.')}"
        "</w:footnote></w:footnotes>",
    })


def pptx():
    def shape(text, kind=""):
        return (
            f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>'
            f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def slide(*shapes):
        return f'<p:sld xmlns:p="p" xmlns:a="a"><p:cSld><p:spTree>{"".join(shapes)}</p:spTree></p:cSld></p:sld>'

    return zipped({
        **TYPES,
        "ppt/presentation.xml": f'<p:presentation xmlns:p="p" xmlns:r="{RELATION}"><p:sldIdLst>'
        '<p:sldId r:id="rId2"/><p:sldId r:id="rId1"/></p:sldIdLst></p:presentation>',
        "ppt/_rels/presentation.xml.rels": relations(
            {"rId1": ("slide", "slides/slide1.xml"), "rId2": ("slide", "slides/slide2.xml")}
        ),
        "ppt/slides/slide1.xml": slide(shape("Last", "title"), shape("body one"), shape("7", "sldNum")),
        "ppt/slides/slide2.xml": slide(shape("First", "ctrTitle"), shape("body two")),
        "ppt/slides/_rels/slide2.xml.rels": relations({"x": ("notesSlide", "../notesSlides/n.xml")}),
        "ppt/notesSlides/n.xml": slide(shape("Say hello.", "body")),
    })


def xlsx():
    return zipped({
        **TYPES,
        "xl/workbook.xml": f'<workbook xmlns:r="{RELATION}"><sheets>'
        '<sheet name="Costs" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations({"rId1": ("worksheet", "/xl/worksheets/s.xml")}),
        "xl/sharedStrings.xml": "<sst><si><t>rent</t></si><si><r><t>he</t></r><r><t>at</t></r></si></sst>",
        "xl/worksheets/s.xml": '<worksheet><sheetData><row><c t="s"><v>0</v></c><c><v>12.5</v></c>'
        '</row><row><c t="s"><v>1</v></c><c t="inlineStr"><is><t>little</t></is></c></row>'
        '<row><c t="s"><v>99</v></c></row></sheetData></worksheet>',
    })


NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ["office", "text", "table", "draw", "presentation", "meta"]
)


def open_document(kind, body):
    content = f"<office:document-content {NAMES}><office:body>{body}</office:body></office:document-content>"
    meta = (
        f'<office:document-meta {NAMES} xmlns:dc="d"><office:meta><dc:title>A title</dc:title>'
        "</office:meta></office:document-meta>"
    )
    return zipped({
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": content,
        "meta.xml": meta,
    })


def odt():
    return open_document(
        "text",
        "<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        '<text:h text:outline-level="1">One</text:h><text:p>A<text:s text:c="2"/><text:span>b'
        '</text:span> <text:span>c</text:span></text:p><text:h text:outline-level="2">Two</text:h>'
        "<text:list><text:list-item><text:p>item</text:p></text:list-item></text:list></office:text>",
    )


def ods():
    row = "<table:table-row>%s</table:table-row>"
    cell = "<table:table-cell><text:p>%s</text:p></table:table-cell>"
    return open_document(
        "spreadsheet",
        '<office:spreadsheet><table:table table:name="Sheet A">'
        + row % (cell % "x" + cell % "1")
        + row % (cell % "y" + cell % "2")
        + '</table:table><table:table table:name="Sheet B">'
        + row % (cell % "z")
        + "</table:table></office:spreadsheet>",
    )


def odp():
    frame = '<draw:frame presentation:class="{}"><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>'
    page = "<draw:page>" + frame.format("title", "{0}") + frame.format("outline", "{1}") + "</draw:page>"
    return open_document(
        "presentation",
        "<office:presentation>" + page.format("Start", "first") + page.format("End", "second")
        + "</office:presentation>",
    )


def epub():
    page = "<html><head><title>t</title></head><body><h1>{}</h1><p>{}</p></body></html>"
    return zipped({
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="in/book.opf"/>'
        "</rootfiles></container>",
        "in/book.opf": '<package xmlns:dc="d"><metadata><dc:title>A book</dc:title></metadata>'
        '<manifest><item id="a" href="text/a%20page.xhtml"/><item id="b" href="text/b.xhtml"/>'
        '</manifest><spine><itemref idref="b"/><itemref idref="a"/></spine></package>',
        "in/text/a page.xhtml": page.format("Second", "the end"),
        "in/text/b.xhtml": page.format("First", "the beginning"),
        "in/text/unused.xhtml": page.format("Unused", "nothing"),
    })


HTML = (
    "<!DOCTYPE html><html><head><meta charset=windows-1251><title>Caf&eacute;</title>"
    "<style>a{color:red}</style><script>var hidden = 1;</script></head>\n<body><p>intro "
    "<b>bold</b>\n text</p><h1>One</h1><p>\u043c\u044b\u0448\u044c</p><div style='display: none'>secret</div>"
    "<p hidden>secret</p><h2>Two</h2><table><tr><td>a<td>b<tr><td>c</table><pre>x\n  y</pre>z"
    "<noscript>secret</noscript></body></html>"
).encode("windows-1251")

MARKDOWN = """---
title: "A page"
draft: true
---
Before.

# One

Some *words* and a [link](https://example.org/x)
on two lines &amp; more.

## Two

```python
# no heading

print(1)
```

| a | b |
|---|---|
| c | d |
"""

CODE = "\n".join(
    f"def function_{i}(value):\n    # {'a comment ' * 6}\n\n    return value + {i}\n\n" for i in range(40)
)


def all_kinds():
    """Name and bytes of a file of every kind."""
    member = {"hello.txt": "Text in a packed member.\n"}
    return {
        "a.txt": "Plain text.\n\nMore of it.\n".encode(),
        "a.md": MARKDOWN.encode(),
        "a.html": HTML,
        "a.py": CODE.encode(),
        "a.eml": message(html="<p>See you</p>", attachments={"n.txt": b"attached text"}),
        "a.mbox": mailbox(message("First"), message("Second")),
        "a.pdf": pdf([b"Page one text", b"Page two text"]),
        "a.docx": docx(),
        "a.pptx": pptx(),
        "a.xlsx": xlsx(),
        "a.odt": odt(),
        "a.ods": ods(),
        "a.odp": odp(),
        "a.epub": epub(),
        "a.zip": zipped(member),
        "a.tar.gz": tarred(member),
        "a.7z": SEVEN_ZIP,
        "a.txt.gz": gzip.compress(b"Text in a packed member.\n"),
    }
