"""The service's page in a browser: drop examples into classes, ask, read the answer."""

import pytest
from browser import started
from listening_service import listening
from small_images import picture, png
from small_service import BODY, application_of, numbers, pictures

from orchestrator.serve.http.guard import digest_of

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("shared_runners")]

TOKEN = "correct-horse-battery"
LEAST_CONTRAST = 4.5  # WCAG 2, level AA

# Puts files into a place as a mouse does that drops them.
DROP = """(zone, files) => {
  const data = new DataTransfer();
  for (const {name, content} of files)
    data.items.add(new File([Uint8Array.from(content)], name, {type: 'image/png'}));
  for (const kind of ['dragover', 'drop'])
    zone.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def browser():
    with started() as it:
        yield it


def drop(page, zone, *images):
    files = [{"name": f"{i}.png", "content": list(png(image))} for i, image in enumerate(images)]
    page.query_selector_all(".zone")[zone].evaluate(DROP, files)


def answer(page):
    page.wait_for_selector("#answer:not([hidden])")
    cells = "rows => rows.map(row => [...row.children].map(cell => cell.innerText.trim()))"
    return page.eval_on_selector_all("#answer tr", cells)


def test_pictures_are_dropped_into_classes_and_queries_predicted(browser, image_zip, image_cache):
    application = application_of(pictures(image_zip, image_cache))
    with listening(application) as url, browser.open(f"{url}/") as seen:
        page = seen.page
        page.wait_for_selector(".zone")
        page.click("#more")
        for i, name in enumerate(["ant", "zebra", "cow"]):
            page.fill(f".zone >> nth={i} >> input >> nth=0", name)
            drop(page, i, picture(i, 0, size=16))
        drop(page, 3, picture(0, 1, size=16), picture(2, 0, size=16))
        assert len(page.query_selector_all("#query img")) == 2
        page.click("#query img >> nth=1")  # removed
        assert len(page.query_selector_all("#query img")) == 1
        page.click("#ask")
        head, row = answer(page)
        assert head == ["query", "prediction", "ant", "cow", "zebra"]
        assert row[0] == "0.png"
        shares = [float(cell.rstrip(" %")) for cell in row[2:]]
        assert sum(shares) == pytest.approx(100, abs=0.2)
        assert row[1] == head[2 + shares.index(max(shares))]
        assert seen.errors == []
        assert all(request.startswith((url, "blob:")) for request in seen.requests)
        for size in ("desktop", "phone"):
            for scheme in ("light", "dark"):
                seen.show(size, scheme)
                assert seen.overflow() <= 0
                assert min(seen.contrasts()) >= (LEAST_CONTRAST, "")


def test_numbers_are_typed_and_what_is_wrong_is_told(browser):
    with listening(application_of(numbers())) as url, browser.open(f"{url}/") as seen:
        page = seen.page
        support = zip(*BODY["support"].values(), strict=True)
        page.fill("#classes textarea", "\n".join(f"{x}, {y}" for x, y in support))
        page.fill("#query textarea", "0\nx")
        page.click("#ask")
        page.wait_for_selector("#message.wrong")
        assert page.inner_text("#message") == "x is no number; write numbers with a point"
        page.fill("#query textarea", "0 1\n2 3")
        page.click("#ask")
        page.locator("#message", has_text="not an array of numbers").or_(
            page.locator("#message", has_text="shape")
        ).wait_for()
        assert page.is_hidden("#more")
        page.fill("#query textarea", "0\n2")
        page.click("#ask")
        _, *rows = answer(page)
        response = page.request.post(f"{url}/predict", data=BODY)
        expected = [row["prediction"] for row in response.json()["predictions"]]
        assert [float(row[1]) for row in rows] == pytest.approx(expected, rel=1e-5)


def test_the_token_is_asked_for(browser):
    application = application_of(numbers(), token_digest=digest_of(TOKEN))
    with listening(application) as url, browser.open(f"{url}/") as seen:
        page = seen.page
        page.wait_for_selector("#login:not([hidden])")
        assert page.is_hidden("#work")
        for token in ("wrong", TOKEN):
            page.fill("#token", token)
            page.click("#login button")
        page.wait_for_selector("#work:not([hidden])")
        assert page.is_hidden("#login")
        assert TOKEN not in page.content() + page.url
