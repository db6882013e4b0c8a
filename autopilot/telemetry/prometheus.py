"""Prometheus, through prometheus-api-client.

The library is synchronous, waits for ever unless told otherwise, retries for seconds on its own,
drops warnings and puts the query into the URL. So it gets a bounded executor, a deadline over the
whole exchange, no retries (the poller asks again soon enough), and a session of ours that keeps
the answer for its warnings; a query beyond 4 kB is posted as a form instead.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from autopilot.telemetry.session import OnlyThese, Session, Trusting
from autopilot.telemetry.source import QueryRefused, Series, SourceDown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.telemetry.access import Access

_LONGEST_URL_QUERY = 4_000


class Answer(Sequence[Series]):
    """Series, and what the source warned of beside them.

    Attributes:
        warnings: Like a partial answer of a federated source.
    """

    def __init__(self, series: Sequence[Series], warnings: tuple[str, ...] = ()) -> None:
        self._series = tuple(series)
        self.warnings = warnings

    @overload
    def __getitem__(self, index: int) -> Series: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Series]: ...
    def __getitem__(self, index: int | slice) -> Series | Sequence[Series]:
        """One series, or some."""
        return self._series[index]

    def __len__(self) -> int:
        """How many series."""
        return len(self._series)


class PrometheusSource:
    """A Prometheus, or whatever speaks its query API.

    Args:
        address: Its URL; without a scheme, http.
        threads: How many queries run at once; more wait, within their own time-outs.
        headers: Sent with each query, for authorisation; redirects are then not followed.
    """

    def __init__(
        self, address: str, *, threads: int = 8, headers: Mapping[str, str] | None = None
    ) -> None:
        self._address = (address if "://" in address else f"http://{address}").rstrip("/")
        self._session = Session()
        if _is_loopback(self._address):
            self._session.trust_env = False
        self._session.headers.update(headers or {})
        self._session.follows = not headers
        self._connect = PrometheusConnect(
            self._address, retry=Retry(total=0, redirect=2), session=self._session
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="prometheus")
        self._closed = False

    @classmethod
    def reached(cls, access: Access, *, threads: int = 2) -> PrometheusSource:
        """A source that a resource names.

        It is asked at its URL alone: no redirect is followed, and nobody's `.netrc` is read.

        Args:
            access: Where it is and how to log in there.
            threads: How many queries run at once.
        """
        source = cls(access.url, threads=threads)
        source._session.follows = False
        source._session.auth = OnlyThese(access.headers)
        if access.ca:
            # The longest prefix wins: all that is sent to the URL goes through this.
            source._session.mount(access.url, Trusting(access.ca, max_retries=Retry(total=0)))
        return source

    @property
    def address(self) -> str:
        """The URL."""
        return self._address

    async def query(self, promql: str, *, timeout: float) -> Answer:
        """Evaluate now.

        A cancelled or timed-out call leaves its thread to end by the same deadline.

        Args:
            promql: The query.
            timeout: Seconds, for the whole call, waiting for a thread included.

        Raises:
            SourceDown: No answer in time, or none that makes sense.
            QueryRefused: Prometheus says that the query is wrong.
        """
        if self._closed:
            raise SourceDown(f"{self._address}: closed")
        deadline = time.monotonic() + timeout
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                return await loop.run_in_executor(self._executor, self._ask, promql, deadline)
        except TimeoutError:
            raise SourceDown(f"{self._address}: no answer within {timeout:g} s") from None

    async def close(self) -> None:
        """Let go of connections and threads; running queries end by their own deadlines."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _ask(self, promql: str, deadline: float) -> Answer:
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceDown(f"{self._address}: no thread was free in time")
        self._session.start(deadline)
        try:
            if len(promql) > _LONGEST_URL_QUERY:
                result = self._post(promql, left)
            else:
                result = self._connect.custom_query(promql, timeout=left)
        except PrometheusApiClientException as error:
            raise self._failure() from error
        except (requests.JSONDecodeError, KeyError, TypeError) as error:
            raise SourceDown(f"{self._address}: not an answer of Prometheus") from error
        except (requests.RequestException, OSError) as error:
            raise SourceDown(f"{self._address}: {_first_cause(error)}") from error
        return Answer(_series(result, self._address), self._warnings())

    def _post(self, promql: str, timeout: float) -> Any:
        url = f"{self._address}/api/v1/query"
        response = self._session.post(url, data={"query": promql}, timeout=timeout)
        if response.status_code != 200:
            raise PrometheusApiClientException(str(response.status_code))
        return response.json()["data"]["result"]

    def _failure(self) -> SourceDown | QueryRefused:
        response = self._session.last
        try:
            body = response.json() if response is not None else {}
        except ValueError:
            body = {}
        status = response.status_code if response is not None else 0
        if 300 <= status < 400:
            return SourceDown(f"{self._address}: HTTP {status}, a redirect, isn't followed")
        body = body if isinstance(body, dict) else {}
        said = str(body.get("error", ""))[:500]
        if status == 400 and body.get("errorType") == "bad_data":
            return QueryRefused(said)
        return SourceDown(f"{self._address}: HTTP {status} {said}".rstrip())

    def _warnings(self) -> tuple[str, ...]:
        response = self._session.last
        # Parsing twice costs more than looking for the word.
        if response is None or b'"warnings"' not in response.content:
            return ()
        return tuple(str(text) for text in response.json().get("warnings") or ())


def _series(result: Any, address: str) -> list[Series]:
    try:
        if len(result) == 2 and not isinstance(result[0], dict):
            return [Series({}, float(result[1]), float(result[0]))]
        if any("values" in entry for entry in result):
            raise QueryRefused("the query answers with a range of samples where one is asked for")
        return [
            Series(
                {name: text for name, text in entry["metric"].items() if name != "__name__"},
                float(entry["value"][1]),
                float(entry["value"][0]),
            )
            for entry in result
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceDown(f"{address}: not an answer of Prometheus") from error


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _is_loopback(address: str) -> bool:
    """A proxy from the environment can't reach this machine's own loopback."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
