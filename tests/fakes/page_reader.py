"""What a browser would read in a page."""

import html.parser


class Reader(html.parser.HTMLParser):
    """What a browser shows, and what it would run."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags = "", set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data
