from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.secret_names import find_secrets, masked

ROOT = Path(__file__).parents[2]


def hidden(text: str, *, is_code: bool = False) -> list[str]:
    """Return the values that sound like secrets."""
    return [text[each.start : each.end] for each in find_secrets(text, is_code=is_code)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("export API_TOKEN=abc", "abc"),
        ("PASSWORD=1234 run", "1234"),
        ("API_TOKEN='a b'; run", "'a b'"),
        ("IBM_TOKEN: S3-colon", "S3-colon"),
        ("QISKIT_IBM_TOKEN = 'S-spaces'", "'S-spaces'"),
        ('{"api_token": "S-json"}', '"S-json"'),
        ('{"a": 1, "password":"S-json"}', '"S-json"'),
        ('{"message": "sent {\\"api_token\\": \\"S-json\\"}"}', '"S-json\\"'),
        ('{"message": "sent\\nTOKEN: S-line"}', "S-line"),
        ("password: hunter22", "hunter22"),
        ("x-api-key: abc", "abc"),
        ("run --access-key=abc", "abc"),
        ('"quantum.options.api_token" = [\n    "abc",\n]', '"abc"'),
        ("Authorization: Bearer S-bearer", "S-bearer"),
        ('{"Authorization": "Basic dXNlcg=="}', "dXNlcg=="),
        ("sent Bearer eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9"),
        ("clone https://user:S-url@host/", "S-url"),
        ("clone https://ghp_0123456789abcdefghij@host/", "ghp_0123456789abcdefghij"),
        ("WEBHOOK_URL=https://hooks/x", "https://hooks/x"),
    ],
)
def test_secrets_of_texts(text: str, value: str) -> None:
    assert hidden(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "tokens = 3",
        "max_tokens: 4096",
        '{"max_tokens": 4096, "n_token": 3, "token": null}',
        "use --set key=value, as in search.starts=64",
        "password: str",
        "Password:",
        "TOKEN = os.environ['X']",
        "TOKEN = os.environ.get('X')",
        "token = getpass.getpass()",
        "save_account(token=..., instance=...), or QISKIT_IBM_TOKEN",
        "    client = Client(token=token, api_key=resource.api_key)",
        "    client = Client(token=self._held)",
        "syntax error: unexpected token: end of line",
        "the Bearer authentication failed",
        "Authorization: Bearer $TOKEN",
        "API_TOKEN=$(cat token)",
        "API_TOKEN=${OTHER}",
        "API_TOKEN=<token>",
        "API_TOKEN=(hidden)",
        "secretName: job-1-secret",
        "automountServiceAccountToken: false",
        "imagePullSecrets:\n- name: registry",
        "TOKEN_FILE=/run/token",
        '"tokenizers": "0.15.2"',
        "https://user:password@host",
        "ssh://git@host/x.git",
        "see https://host/a:1/b@c",
    ],
)
def test_what_is_no_secret_of_a_text(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    "text",
    [
        'IBM_TOKEN = "S-code"',
        'IBM_TOKEN: str = "S-code"',
        'IBM_TOKEN = (\n    "S-code"\n)',
        '# IBM_TOKEN = "S-code"',
        'def login(token="S-code"): ...',
        'headers = {"api_key": "S-code"}',
        'os.environ["IBM_TOKEN"] = "S-code"',
        'self.token = "S-code"',
    ],
)
def test_secrets_of_code(text: str) -> None:
    assert hidden(text, is_code=True) == ['"S-code"']


@pytest.mark.parametrize(
    "text",
    [
        "tokens = 3",
        "max_tokens = '4096'",
        "def login(password: str, token: str | None = None) -> None: ...",
        'TOKEN = os.environ["IBM_TOKEN"]',
        'TOKEN = os.environ.get("IBM_TOKEN", "")',
        'password = getpass("Password: ")',
        'TOKEN = "token"  # the name of a parameter',
        'SECRET_VARIABLE = "GLOBUS_COMPUTE_CLIENT_SECRET"',
        'if token == "S-code": ...',
        'token = f"{user}-{key}"',
        'headers = {"Authorization": f"Bearer {token}"}',
        'headers = {"Authorization": "Bearer " + token}',
        'token_url = "https://host/token"',
        'add_argument("--token", help="key=value of the account")',
    ],
)
def test_what_is_no_secret_of_code(text: str) -> None:
    assert hidden(text, is_code=True) == []


@pytest.mark.parametrize("folder", ["apps", "experiments", "site_configs", "hybrid_parsl/template"])
def test_the_projects_own_files_hold_no_secret(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.[pt][yo]*"):
        if path.suffix in (".py", ".toml"):
            found = list(find_secrets(path.read_text(), is_code=path.suffix == ".py"))
            assert not found, (path, found)


def test_the_line_of_a_secret_is_known() -> None:
    (found,) = find_secrets("a\n\nTOKEN=abc\n")
    assert (found.name, found.line) == ("TOKEN", 3)


def test_what_is_masked_stays_readable() -> None:
    text = "TOKEN=a https://user:b@host; IBM_TOKEN: c-1, Authorization: Bearer dddd"
    assert masked(text) == (
        "TOKEN=(hidden) https://(hidden)@host; IBM_TOKEN: (hidden) Authorization: Bearer (hidden)"
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_secret_is_found_in_any_text(before: str, after: str) -> None:
    text = f"{before}\nAPI_TOKEN=S-1\n{after}"
    assert "S-1" not in masked(text)


@pytest.mark.parametrize(
    "text", ["token" * 200_000, "token=" * 100_000, "'\\" * 200_000, "//a:" * 99_999]
)
@pytest.mark.parametrize("is_code", [False, True])
def test_the_time_of_the_search_is_linear(text: str, *, is_code: bool) -> None:
    begun = time.process_time()
    assert len(list(find_secrets(f"token\n{text}", is_code=is_code))) < len(text)
    assert time.process_time() - begun < 2
