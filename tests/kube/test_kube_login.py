import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from kube_help import Scripted, kubeconfig_for

from autopilot.base.errors import InvalidInput
from autopilot.kube.client import Forbidden, Unavailable
from autopilot.kube.http import connect
from autopilot.kube.kinds import KNOWN
from autopilot.kube.login import Login, is_loopback, kubeconfig_path, proxy_for

PODS = KNOWN["pods"]


def write(path: Path, config: object) -> str:
    path.write_text(json.dumps(config))
    return str(path)


def accepting(*tokens: str):  # type: ignore[no-untyped-def]
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") in {f"Bearer {token}" for token in tokens}:
            return web.json_response({"metadata": {}})
        return web.json_response({"reason": "Unauthorized", "code": 401}, status=401)

    return answer


def test_a_named_kubeconfig_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such kubeconfig"):
        kubeconfig_path(str(tmp_path / "none"))


def test_the_kubeconfig_is_searched_as_kubectl_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kubeconfig_path(None) is None
    default = Path(os.environ["HOME"]) / ".kube" / "config"
    default.parent.mkdir(parents=True)
    default.write_text("{}")
    assert kubeconfig_path(None) == str(default)
    named = tmp_path / "named"
    named.write_text("{}")
    both = f"{tmp_path / 'missing'}{os.pathsep}{named}"
    monkeypatch.setenv("KUBECONFIG", both)
    assert kubeconfig_path(None) == both
    assert kubeconfig_path(str(default)) == str(default)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(InvalidInput):
        kubeconfig_path(None)


async def test_without_kubeconfig_and_outside_a_pod_a_person_is_told_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="--kubeconfig"):
        await connect()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "YAML"),
        ("", "read"),
        ("[1]", "read"),
        ("{}", "current-context"),
        ('{"current-context": "x", "contexts": []}', "x"),
    ],
)
async def test_a_broken_kubeconfig_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=told) as caught:
        await connect(str(path))
    assert str(path) in str(caught.value)


async def test_a_context_is_chosen_by_name(tmp_path: Path) -> None:
    config = kubeconfig_for("http://127.0.0.1:1")
    config["clusters"].append({"name": "d", "cluster": {"server": "http://127.0.0.1:2/"}})
    config["contexts"].append({"name": "other", "context": {"cluster": "d", "user": "u"}})
    path = write(tmp_path / "k", config)
    login = Login(path, "other")
    await login.load()
    assert (login.context, login.server) == ("other", "http://127.0.0.1:2")
    with pytest.raises(InvalidInput, match="nowhere"):
        await Login(path, "nowhere").load()


async def test_the_users_kubeconfig_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("# a comment\n" + json.dumps(kubeconfig_for("http://127.0.0.1:1")))
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    login = Login(str(path))
    await login.load()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


async def test_a_token_that_has_run_out_is_read_anew_once_for_many_requests(
    scripted: Scripted, tmp_path: Path
) -> None:
    path = tmp_path / "k"
    write(path, kubeconfig_for(scripted.url, "old"))
    client = await connect(str(path))
    scripted.answer = accepting("old")
    await client.get(PODS, "p", "a")
    write(path, kubeconfig_for(scripted.url, "new"))
    scripted.answer = accepting("new")
    generation = client._transport.login.generation
    await asyncio.gather(*(client.get(PODS, "p", "a") for _ in range(10)))
    assert client._transport.login.generation == generation + 1
    scripted.answer = accepting()
    with pytest.raises(Forbidden) as caught:
        await client.get(PODS, "p", "a")
    assert caught.value.status == 401
    await client.close()


async def test_a_login_that_can_not_be_renewed_fails_the_call_as_an_api_does(
    scripted: Scripted, tmp_path: Path
) -> None:
    path = tmp_path / "k"
    write(path, kubeconfig_for(scripted.url, "old"))
    client = await connect(str(path))
    scripted.answer = accepting("new")
    path.write_text("{")
    with pytest.raises(Unavailable, match="no new login"):
        await client.get(PODS, "p", "a")
    write(path, kubeconfig_for(scripted.url, "new"))
    await client.get(PODS, "p", "a")
    await client.close()


async def test_a_token_that_can_not_be_read_fails_the_call_as_an_api_does(
    scripted: Scripted, tmp_path: Path
) -> None:
    client = await connect(write(tmp_path / "k", kubeconfig_for(scripted.url, "t")))

    async def broken(_: object) -> None:
        raise FileNotFoundError("the token's file is gone")

    client._transport.login._configuration.refresh_api_key_hook = broken
    with pytest.raises(Unavailable, match="file is gone"):
        await client.get(PODS, "p", "a")
    await client.close()


async def test_a_watch_whose_token_has_run_out_reads_it_anew(
    scripted: Scripted, tmp_path: Path
) -> None:
    path = tmp_path / "k"
    write(path, kubeconfig_for(scripted.url, "old"))
    client = await connect(str(path))
    write(path, kubeconfig_for(scripted.url, "new"))
    refuse = accepting("new")

    async def stream(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            return await refuse(request)
        return web.Response(body=b"")

    scripted.answer = stream
    seen = [event.type async for event in client.watch(PODS, resource_version="1")]
    assert seen == ["BOOKMARK"]
    assert len(scripted.requests) == 2
    scripted.answer = accepting()
    with pytest.raises(Forbidden):
        async for _ in client.watch(PODS, resource_version="1"):
            pass
    await client.close()


async def test_an_exec_plugin_gives_the_token_and_is_asked_again_when_it_is_refused(
    scripted: Scripted, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    plugin = tmp_path / "plugin"
    api = "client.authentication.k8s.io/v1"
    plugin.write_text(
        f"#!{sys.executable}\nimport json\n"
        f"token = open({str(token)!r}).read()\n"
        f"print(json.dumps({{'apiVersion': '{api}', 'kind': 'ExecCredential',"
        f" 'status': {{'token': token}}}}))\n"
    )
    plugin.chmod(0o755)
    user = {"exec": {"command": str(plugin), "apiVersion": api}}
    path = write(tmp_path / "k", kubeconfig_for(scripted.url, **user))
    client = await connect(path)
    scripted.answer = accepting("one")
    await client.get(PODS, "p", "a")
    token.write_text("two")
    scripted.answer = accepting("two")
    await client.get(PODS, "p", "a")
    await client.close()


async def test_basic_authentication_and_token_files_work(
    scripted: Scripted, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("filed")
    path = write(tmp_path / "k", kubeconfig_for(scripted.url, tokenFile=str(token)))
    login = Login(path)
    await login.load()
    assert await login.headers() == {"Authorization": "Bearer filed"}
    path = write(tmp_path / "k2", kubeconfig_for(scripted.url, username="u", password="p"))
    login = Login(path)
    await login.load()
    assert await login.headers() == {"Authorization": "Basic dTpw"}


async def test_in_a_pod_the_service_account_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.aio.config import incluster_config

    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("account")
    # Any certificate authority will do: the machine's own Python has some.
    import ssl

    certificate = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not certificate:
        pytest.skip("this machine has no certificate authorities")
    ca.write_text(ssl.DER_cert_to_PEM_cert(certificate[0]))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    login = Login()
    await login.load()
    assert (login.context, login.server) == ("in-cluster", "https://127.0.0.1:6443")
    assert (await login.headers())["Authorization"].lower() == "bearer account"
    assert isinstance(login.ssl, ssl.SSLContext)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.8.8", True),
        ("https://[::1]:6443", True),
        ("https://localhost:6443", True),
        ("https://10.0.0.1:6443", False),
        ("https://api.example.com", False),
    ],
)
def test_loopback_addresses_never_go_through_a_proxy(
    url: str, loopback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    assert is_loopback(url) is loopback
    assert (proxy_for(url) is None) is loopback


def test_the_client_is_imported_without_the_kubernetes_package() -> None:
    code = (
        "import sys, autopilot.kube.http, autopilot.kube.cache, autopilot.kube.apply;"
        "print([m for m in sys.modules if m.split('.')[0] in ('kubernetes', 'pydantic', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
