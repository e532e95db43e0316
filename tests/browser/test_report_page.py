# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The report page in a real browser: it sends no requests, works by keyboard alone, is accessible and readable, and answers questions correctly."""

from __future__ import annotations

import copy
import pathlib
import random
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from support.organisations import SMALL

from ansible_collections.natsops.security.plugins.module_utils.access import subject_sets
from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Servers
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources

if TYPE_CHECKING:
    from conftest import Browser, Maker

VIEWS = ["summary", "map", "expiry", "findings", "servers", "who", "changes"]
CONTRAST = (pathlib.Path(__file__).parent / "contrast.js").read_text()
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=http://127.0.0.1:9/x onerror=alert(1)>",
    "' onclick=alert(1) x='",
    "{{ script }}",
]


def press(browser: Browser, *keys: str) -> None:
    """Press keys one after another."""
    chain = ActionChains(browser.driver)
    for key in keys:
        chain.send_keys(key)
    chain.perform()


def focused(browser: Browser) -> str:
    """Return the text, label or name of the element that has the focus."""
    script = "const one = document.activeElement; return one === document.body ? '' : one.getAttribute('aria-label') || one.id || one.textContent;"
    found: str = browser.run(script)
    return found


def tab_to(browser: Browser, wanted: str, *, most: int = 60) -> None:
    """Press Tab until the wanted element has the focus."""
    for _again in range(most):
        press(browser, Keys.TAB)
        if wanted in focused(browser):
            return
    raise AssertionError(f"Tab does not come to {wanted}; it is at {focused(browser)}")


# ---- each view


@pytest.mark.parametrize("size", ["small", "five_hundred"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_view_can_be_read_and_asks_for_nothing(
    request: pytest.FixtureRequest, browser: Browser, size: str, view: str, theme: str
) -> None:
    page = request.getfixturevalue(size)
    if view == "changes" and size != "small":
        view = "who"
    browser.requests()
    browser.complaints()
    browser.open(page, view)
    browser.run("useTheme(arguments[0])", theme)
    if view == "who":
        browser.run(
            "const box = document.getElementById('subject'); box.value = '>'; box.dispatchEvent(new Event('input'));"
        )
    assert browser.run("return document.querySelector('nav a[aria-current]').getAttribute('href')") == f"#{view}"
    found = browser.run(CONTRAST)
    assert found["faults"] == []
    assert found["seen"] > 10
    browser.picture(f"{size}-{view}-{theme}")
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "about:"))] == []
    assert browser.complaints() == []


def test_everything_that_takes_the_focus_has_a_name(browser: Browser, small: pathlib.Path) -> None:
    for view in VIEWS:
        browser.open(small, view)
        tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        shown = [node for node in tree if not node["ignored"]]
        roles = [node["role"]["value"] for node in shown]
        for role in ("main", "navigation", "banner", "heading"):
            assert role in roles, (view, role)
        nameless = [
            node
            for node in shown
            if any(one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", []))
            and not node.get("name", {}).get("value")
            and node["role"]["value"] not in ("RootWebArea", "main", "generic")
        ]
        assert nameless == [], view


def test_page_that_is_printed_has_the_summary_and_lists(browser: Browser, small: pathlib.Path) -> None:
    browser.open(small)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = browser.run(
            "return [...document.querySelectorAll('section')].filter((one) => one.getClientRects().length).map((one) => one.id)"
        )
        assert shown == ["summary", "expiry", "findings", "servers", "changes"]
        assert not browser.run("return document.querySelector('.bar').getClientRects().length")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_size_of_the_large_page(five_hundred: pathlib.Path) -> None:
    assert five_hundred.stat().st_size < 3_000_000


# ---- by keyboard alone


def test_from_the_summary_to_what_a_subject_is_open_to(browser: Browser, small: pathlib.Path) -> None:
    browser.open(small)
    tab_to(browser, "Who may")
    press(browser, Keys.ENTER)
    tab_to(browser, "subject")
    press(browser, *"orders.audit.x")
    answer = "return document.querySelector('.answer').textContent"
    assert "1 user may publish it" in browser.run(answer)
    assert "notebook" in browser.run(answer)
    press(browser, Keys.TAB, Keys.ARROW_RIGHT)
    assert "5 users may receive it" in browser.run(answer)
    browser.run(
        "const box = document.getElementById('subject'); box.value = 'a..b'; box.dispatchEvent(new Event('input'));"
    )
    assert "A token is empty" in browser.run(answer)


def test_map_from_account_to_account(browser: Browser, small: pathlib.Path) -> None:
    browser.open(small, "map")
    tab_to(browser, "account ")
    seen = {focused(browser)}
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_DOWN):
        press(browser, key)
        seen.add(focused(browser))
    assert len(seen) >= 4
    press(browser, Keys.ENTER)
    assert browser.run("return document.activeElement.getAttribute('aria-pressed')") == "true"
    name = focused(browser).split(",")[0].split(" ", 1)[1]
    assert browser.run("return document.querySelector('.panel .title').textContent") == name
    press(browser, Keys.ESCAPE)
    assert browser.run("return document.querySelector('.panel .title').textContent") == "The map"
    before = browser.run("return map.view.width")
    press(browser, "+")
    assert browser.run("return map.view.width") < before
    press(browser, "0")


def test_find_and_show_one_of_five_hundred(browser: Browser, five_hundred: pathlib.Path) -> None:
    browser.open(five_hundred, "map")
    assert browser.run("return document.querySelectorAll('svg .tile.compact').length") == 500
    tab_to(browser, "Find accounts")
    press(browser, *"falcon-core-57")
    assert browser.run("return document.querySelector('output').textContent") == "1 of 500 accounts"
    tab_to(browser, "Show only these")
    press(browser, Keys.ENTER)
    cards = browser.run(
        "return [...document.querySelectorAll('svg .tile.card')].map((one) => one.getAttribute('aria-label'))"
    )
    assert any(card.startswith("account falcon-core-57,") for card in cards)
    assert 1 <= len(cards) <= 40
    browser.picture("five_hundred-map-one")
    tab_to(browser, "Show all accounts")
    press(browser, Keys.ENTER)
    assert browser.run("return document.querySelectorAll('svg .tile.compact').length") == 500


def test_names_can_be_read_where_there_are_many(browser: Browser, five_hundred: pathlib.Path) -> None:
    browser.open(five_hundred, "map")
    height = browser.run("return document.querySelector('svg .tile.compact .name').getBoundingClientRect().height")
    assert height >= 10


# ---- unusual names


def test_names_are_text_and_nothing_else(browser: Browser, maker: Maker) -> None:
    accounts = [
        {**SMALL["accounts"][2], "name": f"{name}{number}", "imports": [], "description": name}
        for number, name in enumerate(HOSTILE)
    ]
    tokens = [one for account in accounts for one in [copy.deepcopy(account)]]
    for account in tokens:
        account["exports"] = [{"subject": f"x.{HOSTILE[1]}".replace(" ", "."), "type": "stream"}]
        account["users"] = [{"name": account["name"].replace("/", ""), "signing_key_role": "service"}]
        account["name"] = account["name"].replace("/", "")
    definition = {
        "operator": {"name": HOSTILE[1].replace("/", ""), "signing_keys": [{"role": "main"}]},
        "accounts": tokens,
    }
    page = maker.page("hostile", {"definition": definition})
    browser.requests()
    browser.complaints()
    for view in [view for view in VIEWS if view != "changes"]:
        browser.open(page, view)
        assert browser.run("return document.querySelectorAll('img, main script, [onclick], [onerror]').length") == 0
    assert browser.run("return document.title").startswith("<img src=http:")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "about:"))] == []


# ---- answers


def _random_patterns(chance: random.Random, count: int) -> list[str]:
    words = ["a", "b", "*", "c", "a*"]
    return [
        ".".join(chance.choice(words) for _token in range(chance.randint(1, 3))) + chance.choice(["", "", ".>"])
        for _again in range(count)
    ]


def test_sets_of_subjects_are_those_of_the_access_layer(browser: Browser, small: pathlib.Path) -> None:
    browser.open(small, "who")
    chance = random.Random(11)
    cases = []
    for _again in range(1500):
        wanted = chance.choice([*_random_patterns(chance, 5), ">"])
        terms = [
            [one, *_random_patterns(chance, chance.randint(0, 3))]
            for one in [*_random_patterns(chance, chance.randint(0, 3))]
        ]
        terms = [
            [
                term[0],
                *(
                    hole
                    for hole in term[1:]
                    if subject_sets.contains(subject_sets.pattern(term[0]), subject_sets.pattern(hole))
                ),
            ]
            for term in terms
        ]
        cases.append([wanted, terms])
    found = browser.run(
        "return arguments[0].map(([wanted, terms]) => howMuch(readSet([wanted]), readSet(terms)).extent)", cases
    )
    for (wanted, terms), extent in zip(cases, found, strict=True):
        one = subject_sets.union_of([subject_sets.pattern(wanted)])
        other: Any = ()
        for term in terms:
            whole = subject_sets.union_of([subject_sets.pattern(term[0])])
            other = subject_sets.union(
                other, subject_sets.difference(whole, subject_sets.union_of(map(subject_sets.pattern, term[1:])))
            )
        expected = (
            "none"
            if not subject_sets.intersection(one, other)
            else "all"
            if subject_sets.is_subset(one, other)
            else "some"
        )
        assert extent == expected, (wanted, terms)


def test_page_answers_as_nats_access_info_does(browser: Browser, maker: Maker) -> None:
    page = maker.page("answers", {"definition": SMALL})
    browser.open(page, "who")
    tree = access_sources.of_document(copy.deepcopy(SMALL), "definition").tree(Servers(1_795_000_000))
    chance = random.Random(5)
    words = [
        "orders",
        "placed",
        "audit",
        "create",
        "invoices",
        "sent",
        "shop",
        "order",
        "_INBOX",
        "visitor-1",
        "*",
        "x",
    ]
    subjects = [
        ".".join(chance.choice(words) for _token in range(chance.randint(1, 3))) + chance.choice(["", ".>"])
        for _again in range(300)
    ]
    script = """
        return arguments[1].map((subject) => {
          const verdicts = ask(arguments[0], subject);
          const may = model.users.filter((user) => !user.refused && verdicts[user.permissions].extent !== "none");
          return [may, may.filter((user) => verdicts[user.permissions].extent === "all")].map((users) => users.map(userTitle).sort());
        });
    """
    for word in ("publish", "receive"):
        mine = browser.run(script, word, subjects)
        theirs = answers(tree, read_questions(tree, [{"who_may": {word: subject}} for subject in subjects]))
        for subject, found, answer in zip(subjects, mine, theirs, strict=True):
            assert found == [sorted(answer["some"]), sorted(answer["all"])], (word, subject)
