"""The page in a real browser: what a person sees when all is well, and when something is not."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from browser import CONTROL, ENTER, TAB, Browser
from function import Function
from scripted import answers, send

from deploy.api.page import files_for
from deploy.api.settings import parse_api
from http_api import create_app
from page import page_app
from ports import free_port
from runtime.endpoints import parse_endpoint
from runtime.server import listen, serve
from server import until

pytestmark = pytest.mark.chromium

NICE = "What a wonderful film. The story is beautiful, and I loved every minute of it!"
NASTY = "Don't waste your time: the plot is boring and stupid, and the acting is not good."
STATE = "return document.getElementById('result').dataset.state"
STILL_HERE = "Your review is still here."
POSITIVE = answers(200, b'{"sentiment": "positive", "probability": 0.75}', Content_Type="application/json")
# Colours as a browser computes them, and the contrast that WCAG makes of them.
CONTRAST = """
const light = (colour) => {
  const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const [red, green, blue] = colour.match(/[0-9.]+/g).map(Number).map(part);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : colour;
};
return [...document.querySelectorAll("h1, p, label, textarea, button")]
  .filter((element) => element.tagName === "TEXTAREA" || element.textContent.trim())
  .map((element) => {
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    return [element.id || element.tagName, (one + 0.05) / (other + 0.05)];
  });
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with closing(Browser(tmp_path_factory.mktemp("profile"))) as browser:
        yield browser


class Site:
    """A page, its API and the Lambda function, in front of an endpoint of the runtime."""

    def __init__(self, browser, runtime_url, endpoint, seconds="32", **settings):
        self.browser, port = browser, free_port()
        api = parse_api({"origin": f"http://localhost:{port}", **settings}, "the API")
        function = Function(runtime_url, endpoint=endpoint, **settings)
        self.demo = serve(listen(0), create_app(api, function, print, clock=lambda: 0.0))  # no token comes back
        self.address = f"http://localhost:{self.demo.port}"
        files = files_for(f"{self.address}/demo")
        html = files["index.html"].replace(b'data-seconds="32"', f'data-seconds="{seconds}"'.encode())
        self.page = serve(listen(port), page_app({**files, "index.html": html}))
        self.url = f"http://localhost:{port}"

    def open(self):
        self.browser.go(f"{self.url}/")
        return self

    def judge(self, text):
        """Type a review, as a person would, and press the button; return what is said in the end."""
        self.browser.run("document.getElementById('review').value = ''")
        self.browser.write("#review", text)
        self.browser.click("#send")
        return self.said_in_the_end()

    def said_in_the_end(self):
        until(lambda: self.state() not in {"idle", "waiting"}, "an answer on the page")
        return self.state(), self.browser.text("#verdict"), self.browser.text("#details")

    def state(self):
        return self.browser.run(STATE)

    def close(self):
        self.page.shutdown()
        self.demo.shutdown()


@pytest.fixture(scope="module")
def usual(browser, shared) -> Iterator[Site]:
    """A page whose endpoint `x` each test has as it likes."""
    with closing(Site(browser, shared[1], "x", requests_per_second=1000, burst=1000)) as site:
        yield site


@pytest.fixture
def site(browser, shared, usual):
    """Open a page in front of a container; afterwards the browser is as new."""
    endpoints, runtime_url = shared
    with ExitStack() as stack:

        def site(port, **settings):
            endpoints["x"] = parse_endpoint(f"x={port}")
            own = stack.enter_context(closing(Site(browser, runtime_url, "x", **settings))) if settings else usual
            return own.open()

        yield site
    browser.set_offline(offline=False)
    browser.set_colours("light")
    browser.set_width(1000)
    browser.console()


# -- all is well


@pytest.mark.nginx
def test_a_positive_and_a_negative_review_get_different_answers(movies, site, browser):
    page = site(movies.port)
    liked, disliked = page.judge(NICE), page.judge(NASTY)
    assert liked == ("positive", "Positive", "The model is 89% sure.")
    assert disliked == ("negative", "Negative", "The model is 99% sure.")
    assert browser.console() == []  # neither an error nor a violation of the policy


def test_the_keyboard_is_enough(container, site, browser):
    page = site(container(POSITIVE).port)
    browser.press(TAB)
    browser.press("Fine")
    assert browser.run("return document.activeElement.id") == "review"
    browser.press(TAB)
    assert browser.run("return document.activeElement.id") == "send"
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(ENTER)
    assert page.said_in_the_end()[0] == "positive"
    assert browser.run("return document.activeElement.id") == "send"  # the place is not lost


def test_control_and_enter_send_from_the_text(container, site, browser):
    page = site(container(POSITIVE).port)
    browser.press(TAB)
    browser.press("Fine")
    browser.press(CONTROL + ENTER)
    assert page.said_in_the_end()[0] == "positive"


def test_while_the_model_reads_the_page_says_so_and_asks_no_second_time(container, site, browser):
    gate = threading.Event()

    def slow(handler):
        gate.wait(60)
        send(handler, 200, b'{"sentiment": "negative", "probability": 1.0}', Content_Type="application/json")

    model = container(slow)
    page = site(model.port)
    browser.write("#review", "Bad")
    browser.click("#send")
    until(lambda: page.state() == "waiting", "the waiting state")
    assert browser.text("#verdict") == "The model is reading…"
    assert browser.run("return document.getElementById('send').ariaDisabled") == "true"
    browser.click("#send")
    gate.set()
    assert page.said_in_the_end() == ("negative", "Negative", "The model is 99% sure.")
    assert browser.run("return document.getElementById('send').ariaDisabled") == "false"
    assert len(model.requests) == 1


# -- something is not


def test_what_is_empty_is_not_sent_and_the_cursor_is_where_one_types(container, site, browser):
    model = container(POSITIVE)
    assert site(model.port).judge("  ") == ("problem", "There is nothing to judge yet.", "Type a review first.")
    assert browser.run("return document.activeElement.id") == "review"
    assert browser.run("return document.activeElement.getAttribute('aria-invalid')") == "true"
    assert model.requests == []


def test_what_is_too_long_is_counted_and_not_sent(container, site, browser):
    model = container(POSITIVE)
    page = site(model.port)
    assert browser.text("#count") == "0 of 5,000 characters"
    put = "const review = document.getElementById('review'); review.value = arguments[0];"
    browser.run(put + "review.dispatchEvent(new Event('input'))", "🙂" * 5001)
    assert browser.text("#count") == "1 character too many"
    browser.click("#send")
    assert page.said_in_the_end() == ("problem", "The review is too long.", "The model reads 5,000 characters at most.")
    assert model.requests == []
    browser.run(put + "review.dispatchEvent(new Event('input'))", "🙂" * 5000)
    assert browser.text("#count") == "5,000 of 5,000 characters"
    browser.click("#send")
    until(lambda: page.state() == "positive", "an answer to what is just short enough")


def test_what_is_too_long_for_the_api_is_told_too(container, site):
    page = site(container(POSITIVE).port, max_bytes=10)
    assert page.judge("eleven bytes") == (
        "problem",
        "The review is too long for the model.",
        "Shorten it, and try again.",
    )


def test_a_stopped_container_is_told_and_not_waited_for(site):
    assert site(free_port()).judge(NICE) == (
        "problem",
        "The model does not answer at the moment.",
        f"Try again in a minute. {STILL_HERE}",
    )


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_model_says_when_to_try_again(container, site, status):
    assert site(container(answers(status)).port).judge(NICE) == (
        "problem",
        "The model is busy.",
        f"Try again in 5 seconds. {STILL_HERE}",
    )


def test_the_models_own_words_on_bad_input_are_shown_as_text(container, site, browser):
    body = b'{"error": {"message": "No <img src=x onerror=alert(1)> please."}}'
    page = site(container(answers(422, body, Content_Type="application/json")).port)
    assert page.judge("x") == ("problem", "The model cannot judge this.", "No <img src=x onerror=alert(1)> please.")
    assert browser.run("return document.images.length") == 0


def test_a_model_that_takes_too_long_is_told(container, site):
    assert site(container(answers(504)).port).judge(NICE) == (
        "problem",
        "The model took too long.",
        f"It may have been asleep: try again. {STILL_HERE}",
    )


def test_an_api_that_never_answers_is_given_up(container, site):
    gate = threading.Event()
    try:
        page = site(container(lambda handler: gate.wait(60)).port, seconds="0.5")
        assert page.judge(NICE)[:2] == ("problem", "The model took too long.")
    finally:
        gate.set()


def test_a_fault_here_is_not_blamed_on_the_review(site, shared):
    page = site(free_port())
    shared[0].clear()  # the endpoint is gone: a fault of whoever runs this
    assert page.judge(NICE) == (
        "problem",
        "Something went wrong on our side.",
        "It is not your review, which is still here.",
    )


@pytest.mark.parametrize("body", [b"null", b'{"sentiment": "mixed"}', b'{"sentiment": "positive", "probability": 2}'])
def test_an_answer_of_another_form_is_not_made_up(container, site, body):
    page = site(container(answers(200, body, Content_Type="application/json")).port)
    assert page.judge(NICE)[:2] == ("problem", "The answer could not be understood.")


def test_offline_is_told_and_the_review_is_still_there(container, site, browser):
    page = site(container(POSITIVE).port)
    browser.set_offline(offline=True)
    assert page.judge(NICE) == (
        "problem",
        "You are offline.",
        f"Try again when you are connected. {STILL_HERE}",
    )
    assert browser.run("return document.getElementById('review').value") == NICE
    browser.set_offline(offline=False)
    browser.click("#send")
    until(lambda: page.state() == "positive", "an answer after the network is back")


def test_a_service_that_is_gone_is_told(container, site):
    page = site(container(POSITIVE).port, burst=1)
    page.demo.shutdown()
    page.demo.server_close()
    assert page.judge(NICE) == (
        "problem",
        "The service cannot be reached.",
        f"Try again in a minute. {STILL_HERE}",
    )


def test_too_many_requests_are_told_as_far_as_the_gateway_lets_a_page_see(container, site):
    """API Gateway's own refusals have no CORS headers: to a page they are as if nobody answered."""
    page = site(container(POSITIVE).port, requests_per_second=1, burst=1)
    assert page.judge(NICE)[0] == "positive"
    assert page.judge(NASTY)[:2] == ("problem", "The service cannot be reached.")


# -- how it is made


def test_the_policy_lets_the_page_reach_its_api_and_nothing_else(container, site, browser):
    page = site(container(POSITIVE).port)
    tried = """
    const seen = [];
    document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const script = document.createElement("script");
    try { script.textContent = "window.bad = true"; } catch { seen.push("trusted types"); }
    document.body.append(script);
    return fetch(arguments[0] + "/elsewhere").catch(() => fetch(arguments[1]))
      .catch(() => new Promise((done) => setTimeout(done, 100)))
      .then(() => [window.bad, seen]);
    """
    bad, seen = browser.run(tried, page.address, f"{page.url}/page.js")
    assert bad is None
    assert seen.count("connect-src") == 2
    assert {"script-src-elem", "require-trusted-types-for", "trusted types"} & set(seen)
    policy = browser.run("return document.querySelector('meta[http-equiv]').content")
    assert f"connect-src {page.address}/demo;" in policy
    assert "unsafe" not in policy


def test_what_assistive_technology_needs_is_there(container, site, browser):
    page = site(container(POSITIVE).port)
    assert browser.run("return document.getElementById('review').labels[0].textContent") == "Your review"
    assert browser.run("return document.documentElement.lang") == "en"
    region = browser.run("const it = document.getElementById('result'); return [it.role, it.ariaLive, it.ariaAtomic]")
    assert region == ["status", "polite", "true"]
    assert browser.run("return document.getElementById('review').getAttribute('aria-describedby')") == "count"
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node["ignored"]}
    assert {("textbox", "Your review"), ("button", "Judge it"), ("heading", "Thumbs up or down?")} <= named
    assert page.state() == "idle"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["Fine", " "], ids=["answer", "problem"])
def test_everything_can_be_read_in_both_colour_schemes(container, site, browser, scheme, text):
    browser.set_colours(scheme)
    page = site(container(POSITIVE).port)
    page.judge(text)
    contrasts = dict(browser.run(CONTRAST))
    assert {"verdict", "details", "review", "send", "count", "H1"} <= set(contrasts)
    assert [pair for pair in contrasts.items() if pair[1] < 4.5] == []


def test_a_narrow_screen_is_wide_enough(container, site, browser):
    browser.set_width(320)
    page = site(container(POSITIVE).port)
    page.judge("Fine" * 50)
    assert browser.run("return document.documentElement.scrollWidth <= 320")
    assert browser.run("return document.getElementById('send').getBoundingClientRect().height >= 44")
