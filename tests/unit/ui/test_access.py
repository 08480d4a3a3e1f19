"""Who may read the page."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from ui_runs import Client

from hybrid_parsl.ui.access import Guard

TOKEN = "the-token"
COOKIE = {"cookie": f"other=1; hybrid_parsl_ui_8765={TOKEN}"}


@pytest.fixture
def client():
    return Client(Guard(PlainTextResponse("runs"), "127.0.0.1", 8765, TOKEN))


def test_without_the_token_nothing_is_shown(client):
    assert client.get("/").status == 403
    assert client.get("/?token=another").status == 403
    assert client.get("/", cookie="hybrid_parsl_ui_8765=another").status == 403
    assert client.get("/", cookie=f"hybrid_parsl_ui_1={TOKEN}").status == 403
    assert client.get("/?token=\u00e9").status == 403


def test_the_token_becomes_a_cookie_and_leaves_the_address(client):
    answer = client.get(f"/compare?a=1%262&token={TOKEN}")
    assert answer.status == 200
    assert "runs" not in answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"hybrid_parsl_ui_8765={TOKEN};")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert 'url=/compare?a=1%262"' in answer.text
    assert TOKEN not in answer.text
    assert client.get("/", **COOKIE).text == "runs"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", '/"><script>'])
def test_signing_in_leads_to_this_server_only(client, path):
    text = client.get(f"{path}?token={TOKEN}").text
    assert "url=/evil.example/" in text or "url=/%22>%3Cscript>" in text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_get_nothing(client, site):
    assert client.get("/", **COOKIE, sec_fetch_site=site).status == 403
    assert client.get("/", **COOKIE, origin="http://evil.example").status == 403
    assert client.get("/", **COOKIE, origin="null").status == 403
    assert client.get("/", **COOKIE, sec_fetch_site="same-origin").status == 200
    assert client.get("/", **COOKIE, origin="http://127.0.0.1").status == 200


def test_a_link_of_another_page_may_carry_the_token(client):
    assert client.get(f"/?token={TOKEN}", sec_fetch_site="cross-site").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9000", 200),
        ("127.0.0.1:8765", 200),
        ("[::1]:8765", 200),
        ("192.0.2.1", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8765", 421),
        ("localhost.evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_only_names_that_cannot_be_rebound_are_answered(client, host, status):
    assert client.get("/", **COOKIE, host=host).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(client, method):
    assert client.get("/", method, **COOKIE).status == 405


def test_every_answer_forbids_scripts_of_others(client):
    for answer in (client.get("/"), client.get("/", **COOKIE), client.get(f"/?token={TOKEN}")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
