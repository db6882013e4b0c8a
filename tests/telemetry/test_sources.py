"""Sources that resources name, on real servers: TLS, credentials, tenants, what is refused."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from autopilot.base.clock import SystemClock
from autopilot.telemetry.access import BadSource, access_of, check_url
from autopilot.telemetry.poller import Poller
from autopilot.telemetry.prometheus import PrometheusSource
from autopilot.telemetry.sample import Sample, Why
from autopilot.telemetry.service_builtins import rule_query
from autopilot.telemetry.source import SourceRef
from autopilot.telemetry.sources import Limits, Sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

TOKEN = {"token": "opens-it"}
BASIC = {"username": "reader", "password": "pass:wörd"}


@dataclass(frozen=True)
class Authority:
    """A certificate authority and the key and certificate of 127.0.0.1 under it."""

    ca: str
    chain: Path
    key: Path


def make_authority(folder: Path) -> Authority:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ours")
    openssl("req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=prometheus")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san")
    openssl("x509", "-req", "-in", "tls.csr", "-out", "tls.crt", *signing)
    return Authority((folder / "ca.crt").read_text(), folder / "tls.crt", folder / "tls.key")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("stranger"))


@dataclass
class Server:
    """Answers every query with its number, to whom it knows."""

    value: float
    wants: str = ""
    redirect: str = ""
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.path, dict(request.headers)))
        if self.redirect:
            raise web.HTTPTemporaryRedirect(self.redirect + request.path_qs)
        if self.wants and request.headers.get("Authorization") != self.wants:
            raise web.HTTPUnauthorized
        result = [{"metric": {}, "value": [1_700_000_000, str(self.value)]}]
        return web.json_response({"status": "success", "data": {"result": result}})


@dataclass
class Secrets:
    """A cluster's Secrets; may be away."""

    held: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    away: bool = False
    reads: int = 0

    async def read(self, namespace: str, name: str) -> Mapping[str, str] | None:
        self.reads += 1
        if self.away:
            raise ConnectionError("the API is away")
        return self.held.get((namespace, name))


class Rig:
    def __init__(self) -> None:
        self.secrets = Secrets()
        self.allowed = ["127.0.0.1"]
        self.woken: list[Any] = []
        self.heard = asyncio.Event()
        self.stop = asyncio.Event()
        self.runners: list[web.AppRunner] = []

    async def start(self) -> None:
        self.default = await self.serve(Server(1))
        self.source = PrometheusSource(self.default.url)
        clock = SystemClock()
        poller = Poller(self.source, clock, default_interval=0.2, timeout=5)
        limits = Limits(
            allow_url=lambda url: any(host in url for host in self.allowed), refresh=0.1
        )
        self.sources = Sources(poller, clock, secrets=self.secrets, limits=limits)
        self.sources.on_sample = self.wake
        self.running = asyncio.create_task(self.sources.run(self.stop))

    def wake(self, key: Any) -> None:
        self.woken.append(key)
        self.heard.set()

    async def serve(self, server: Server, tls: Authority | None = None) -> Server:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.runners.append(runner)
        await runner.setup()
        context = None
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls.chain, tls.key)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        scheme = "https" if tls else "http"
        server.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        return server

    async def read(self, name: str = "up", key: str = "reader", **ref: str) -> Sample:
        source = SourceRef("shop", **ref) if ref else None
        return await self.sources.read(rule_query(name, "up", source=source), key)

    async def secret(self, **data: str) -> Sample:
        self.secrets.held["shop", "metrics"] = {k.replace("_", "."): v for k, v in data.items()}
        return await self.read(secret="metrics")

    async def until(self, why: Why, value: float | None = None, **ref: str) -> Sample:
        async with asyncio.timeout(20):
            while True:
                sample = await self.read(**ref)
                if sample.why is why and sample.value == value:
                    return sample
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.running, 10)
        await self.source.close()
        async with asyncio.timeout(20):
            # Threads in the middle of a request end by themselves; servers go after them.
            while True:
                if not any(each.name.startswith("prometheus") for each in threading.enumerate()):
                    break
                await asyncio.sleep(0.02)
        for runner in self.runners:
            await runner.cleanup()
        assert self.sources.addresses == []


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await rig.start()
    yield rig
    await rig.end()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


async def test_the_installations_source_answers_where_none_is_named(rig: Rig) -> None:
    assert (await rig.read()).value == 1
    other = await rig.serve(Server(2))
    assert (await rig.read(url=other.url + "/")).value == 2
    assert (await rig.read()).value == 1
    assert rig.secrets.reads == 0


async def test_one_source_is_opened_for_all_who_name_its_url(rig: Rig) -> None:
    other = await rig.serve(Server(2))
    refs = [SourceRef(f"ns-{n}", url=other.url) for n in range(20)]
    samples = await asyncio.gather(
        *(rig.sources.read(rule_query("up", "up", source=ref), ref.namespace) for ref in refs)
    )
    assert [sample.value for sample in samples] == [2] * 20
    assert rig.sources.addresses == [other.url]
    assert len(other.seen) == 1


@pytest.mark.parametrize("prefix", ["/prometheus", "/select/0/prometheus/"])
async def test_an_api_under_a_prefix_with_a_tenant(rig: Rig, prefix: str) -> None:
    mimir = await rig.serve(Server(3))
    assert (await rig.read(url=mimir.url + prefix, tenant="team-a")).value == 3
    path, headers = mimir.seen[0]
    assert path == f"{prefix.rstrip('/')}/api/v1/query"
    assert headers["X-Scope-OrgID"] == "team-a"
    assert "Authorization" not in headers
    assert (await rig.secret(url=mimir.url + prefix, tenant="team-b", token="t")).value == 3
    tenants = {headers["X-Scope-OrgID"]: headers.get("Authorization") for _, headers in mimir.seen}
    assert tenants == {"team-a": None, "team-b": "Bearer t"}


@pytest.mark.parametrize(
    ("login", "wants"),
    [(TOKEN, "Bearer opens-it"), (BASIC, basic("reader", "pass:wörd")), ({}, "")],
)
async def test_tls_under_the_secrets_own_authority_with_a_login(
    rig: Rig, authority: Authority, login: dict[str, str], wants: str
) -> None:
    server = await rig.serve(Server(4, wants=wants), authority)
    sample = await rig.secret(url=server.url, ca_crt=authority.ca, **login)
    assert (sample.value, sample.detail) == (4, "")


async def test_a_certificate_of_another_authority_isnt_believed(
    rig: Rig, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither the machine's nor the environment's authorities are added to the Secret's own.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.chain))
    server = await rig.serve(Server(4), stranger)
    sample = await rig.secret(url=server.url, ca_crt=authority.ca, **TOKEN)
    assert (sample.value, sample.why) == (None, Why.SOURCE_DOWN)
    assert "certificate" in sample.detail.lower()
    assert server.seen == []
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert (await rig.secret(url=server.url, **TOKEN)).why is Why.SOURCE_DOWN


async def test_a_wrong_login_is_down_and_never_anothers_answer(rig: Rig) -> None:
    server = await rig.serve(Server(4, wants="Bearer other"))
    sample = await rig.secret(url=server.url, **TOKEN)
    assert (sample.value, sample.why) == (None, Why.SOURCE_DOWN)
    assert "401" in sample.detail
    assert "opens-it" not in sample.detail + repr(sample)


async def test_no_redirect_is_followed_and_no_credential_goes_along(rig: Rig) -> None:
    thief = await rig.serve(Server(5))
    server = await rig.serve(Server(4, redirect=thief.url))
    for sample in (
        await rig.secret(url=server.url, tenant="team", **TOKEN),
        await rig.read(url=server.url),
    ):
        assert (sample.value, sample.why) == (None, Why.SOURCE_DOWN)
        assert "redirect" in sample.detail
    assert len(server.seen) == 2
    assert thief.seen == []


async def test_a_users_netrc_is_left_alone(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    # On loopback the environment isn't asked for anything; other hosts are.
    monkeypatch.setattr("autopilot.telemetry.prometheus._is_loopback", lambda _: False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = await rig.serve(Server(4))
    assert (await rig.read(url=server.url)).value == 4
    assert (await rig.secret(url=server.url, **TOKEN)).value == 4
    assert [seen.get("Authorization") for _, seen in server.seen] == [None, "Bearer opens-it"]


async def test_a_host_that_isnt_allowed_is_refused_and_nobody_else_answers(rig: Rig) -> None:
    server = await rig.serve(Server(4))
    rig.allowed = ["prometheus.example"]
    for sample in (await rig.read(url=server.url), await rig.secret(url=server.url, **TOKEN)):
        assert (sample.value, sample.why) == (None, Why.REFUSED)
        assert "doesn't allow the host 127.0.0.1" in sample.detail
    assert server.seen == []
    assert (await rig.read()).value == 1


async def test_a_host_that_is_taken_off_the_list_is_asked_no_more(rig: Rig) -> None:
    server = await rig.serve(Server(4))
    assert (await rig.read(url=server.url)).value == 4
    rig.allowed = []
    assert (await rig.read(url=server.url)).why is Why.REFUSED
    assert rig.sources.addresses == []
    rig.allowed = ["127.0.0.1"]
    await rig.until(Why.KNOWN, 4, url=server.url)


async def test_a_changed_secret_is_read_and_its_readers_are_woken(rig: Rig) -> None:
    server = await rig.serve(Server(4, wants="Bearer new"))
    other = await rig.serve(Server(6, wants="Bearer new"))
    assert (await rig.secret(url=server.url, token="old")).why is Why.SOURCE_DOWN
    rig.woken.clear()
    rig.secrets.held["shop", "metrics"] = {"url": server.url, "token": "new"}
    await rig.until(Why.KNOWN, 4, secret="metrics")
    assert "reader" in rig.woken
    # The credential goes to the URL that came with it.
    rig.secrets.held["shop", "metrics"] = {"url": other.url, "token": "new"}
    await rig.until(Why.KNOWN, 6, secret="metrics")
    assert rig.sources.addresses == [other.url]
    seen, later = len(server.seen), len(other.seen)
    async with asyncio.timeout(20):
        while True:
            if len(other.seen) > later + 3:
                break
            await asyncio.sleep(0.05)
    assert len(server.seen) == seen


async def test_a_missing_secret_is_refused_until_it_is_there(rig: Rig) -> None:
    missing = await rig.read(secret="metrics")
    assert (missing.value, missing.why) == (None, Why.REFUSED)
    assert missing.detail == "Secret shop/metrics: there is no such Secret"
    server = await rig.serve(Server(4))
    rig.secrets.held["shop", "metrics"] = {"url": server.url}
    rig.secrets.held["other", "metrics"] = {"url": rig.default.url}
    async with asyncio.timeout(20):
        await rig.heard.wait()
    assert (await rig.read(secret="metrics")).value == 4
    rig.secrets.held.clear()
    await rig.until(Why.REFUSED, secret="metrics")


async def test_an_api_that_is_away_takes_no_access_back(rig: Rig) -> None:
    server = await rig.serve(Server(4))
    rig.secrets.away = True
    rig.secrets.held["shop", "metrics"] = {"url": server.url}
    first = await rig.read(secret="metrics")
    assert (first.why, "the API is away" in first.detail) == (Why.SOURCE_DOWN, True)
    rig.secrets.away = False
    await rig.until(Why.KNOWN, 4, secret="metrics")
    rig.secrets.away = True
    reads = rig.secrets.reads
    async with asyncio.timeout(20):
        while rig.secrets.reads < reads + 2:
            assert (await rig.read(secret="metrics")).value == 4
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("ref", [{}, {"url": "http://127.0.0.1", "secret": "metrics"}])
async def test_a_source_is_a_url_or_a_secret(rig: Rig, ref: dict[str, str]) -> None:
    sample = await rig.sources.read(rule_query("up", "up", source=SourceRef("shop", **ref)), "r")
    assert (sample.why, "one of them" in sample.detail) == (Why.REFUSED, True)


async def test_a_poller_alone_never_answers_for_another_source(rig: Rig) -> None:
    poller = Poller(rig.source, SystemClock(), default_interval=5, timeout=1)
    query = rule_query("up", "up", source=SourceRef("shop", url="http://elsewhere"))
    assert (await poller.read(query, "r")).why is Why.REFUSED
    assert rig.default.seen == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "no url"),
        ({"insecure-skip-verify": "true"}, "always checked"),
        ({"passwd": "x"}, "'passwd' isn't known"),
        ({"url": "http://a", "username": "x"}, "come together"),
        ({"url": "http://a", "password": "x", "username": "y", "token": "z"}, "one of them"),
        ({"url": "http://a", "token": "x\r\ny: z"}, "can't be sent"),
        ({"url": "http://a", "tenant": "x\ny"}, "can't be sent"),
        ({"url": "http://a", "username": "x:y", "password": "z"}, "colon"),
        ({"url": "https://a", "ca.crt": "no certificate"}, "no certificate in PEM"),
    ],
)
def test_a_secret_that_makes_no_sense_is_refused(data: dict[str, str], said: str) -> None:
    with pytest.raises(BadSource, match=said) as caught:
        access_of(data)
    assert "y: z" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("", "prometheus:9090", "ftp://a", "file:///etc/passwd", "http://", "http://:80"),
        *(
            "http://me:secret@a",
            "http://a@b",
            "http://a\\@b",
            "http://a b",
            "http://a/\n",
            "http://ä",
        ),
        *(
            "http://a?x=1",
            "http://a#x",
            "http://a/?",
            "http://a:99999",
            "http://a:0",
            "http://[::1",
        ),
        *("http://a/../b", "http://a/..", "http://-", "http://" + "a" * 2000, "http://a%2f@b"),
    ],
)
def test_a_url_that_two_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(BadSource) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://a", "https://a.b:9090/x/y", "http://[::1]:9090", "http://10.0.0.1/prometheus"]
)
def test_an_ordinary_url_is_taken(url: str) -> None:
    assert check_url(url + "/") == url
