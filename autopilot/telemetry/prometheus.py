"""Prometheus, through prometheus-api-client.

The library is synchronous, waits for ever unless told otherwise, retries for seconds on its own,
drops warnings and puts the query into the URL. So it gets a bounded executor, a deadline over the
whole exchange, no retries (the poller asks again soon enough), and a session of ours that keeps
the answer for its warnings; a query beyond 4 kB is posted as a form instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from autopilot.telemetry.answers import Answer, range_series_of, series_of
from autopilot.telemetry.history import Span
from autopilot.telemetry.session import OnlyThese, Session, TooLarge, Trusting
from autopilot.telemetry.source import QueryRefused, RangeSeries, SourceDown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta

    from autopilot.telemetry.access import Access

T = TypeVar("T")

_LONGEST_URL_QUERY = 4_000
_MOST_POINTS = 10_000
_FEWEST_POINTS = 10


class _TooMuch(SourceDown):
    """The same question about less may be answered."""


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
        return await self._run(self._ask, promql, timeout)

    async def query_range(
        self, promql: str, start: datetime, end: datetime, step: timedelta, *, timeout: float
    ) -> list[RangeSeries]:
        """Evaluate at each step of a stretch of time; see `query_span`.

        Raises:
            ValueError: The stretch makes no sense.
            SourceDown: No answer in time, or none that makes sense.
            QueryRefused: Prometheus says that the query is wrong.
        """
        return await self.query_span(promql, Span(start, end, step), timeout=timeout)

    async def query_span(self, promql: str, span: Span, *, timeout: float) -> list[RangeSeries]:
        """Evaluate at each moment of a span, in as many requests as it takes.

        Args:
            promql: The query.
            span: When; of any length (a server answers up to 11,000 moments at once).
            timeout: Seconds, for each request.

        Raises:
            SourceDown: No answer in time, or none that makes sense.
            QueryRefused: Prometheus says that the query is wrong.
        """
        found: dict[frozenset[tuple[str, str]], RangeSeries] = {}
        waiting = span.parts(_MOST_POINTS)[::-1]
        while waiting:
            part = waiting.pop()
            ask = functools.partial(self._ask_span, span=part)
            try:
                answer = await self._run(ask, promql, timeout)
            except _TooMuch as error:
                if part.count <= _FEWEST_POINTS:
                    raise SourceDown(str(error)) from error
                waiting += part.parts(math.ceil(part.count / 2))[::-1]
                continue
            for one in answer:
                key = frozenset(one.labels.items())
                before = found[key].points if key in found else ()
                found[key] = RangeSeries(one.labels, [*before, *one.points])
        return list(found.values())

    async def close(self) -> None:
        """Let go of connections and threads; running queries end by their own deadlines."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def _run(self, ask: Callable[[str, float], T], promql: str, timeout: float) -> T:
        if self._closed:
            raise SourceDown(f"{self._address}: closed")
        deadline = time.monotonic() + timeout
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                return await loop.run_in_executor(self._executor, ask, promql, deadline)
        except TimeoutError:
            raise SourceDown(f"{self._address}: no answer within {timeout:g} s") from None

    def _ask(self, promql: str, deadline: float) -> Answer:
        with self._exchange(deadline) as left:
            if len(promql) > _LONGEST_URL_QUERY:
                result = self._post("query", {"query": promql}, left)
            else:
                result = self._connect.custom_query(promql, timeout=left)
        return Answer(series_of(result, self._address), self._warnings())

    def _ask_span(self, promql: str, deadline: float, *, span: Span) -> list[RangeSeries]:
        form = {
            "query": promql,
            "start": f"{span.start.timestamp():.3f}",
            "end": f"{span.end.timestamp():.3f}",
            "step": f"{span.step.total_seconds():.3f}",
        }
        with self._exchange(deadline) as left:
            result = self._post("query_range", form, left)
        return range_series_of(result, self._address)

    @contextlib.contextmanager
    def _exchange(self, deadline: float) -> Iterator[float]:
        """Whatever goes wrong within is told as what it means; gives the seconds that are left."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceDown(f"{self._address}: no thread was free in time")
        self._session.start(deadline)
        try:
            yield left
        except PrometheusApiClientException as error:
            raise self._failure() from error
        except (requests.JSONDecodeError, KeyError, TypeError) as error:
            raise SourceDown(f"{self._address}: not an answer of Prometheus") from error
        except TooLarge as error:
            raise _TooMuch(f"{self._address}: {error}") from error
        except (requests.RequestException, OSError) as error:
            raise SourceDown(f"{self._address}: {_first_cause(error)}") from error

    def _post(self, verb: str, form: Mapping[str, str], timeout: float) -> Any:
        url = f"{self._address}/api/v1/{verb}"
        response = self._session.post(url, data=form, timeout=timeout)
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
        # Prometheus bounds the samples that one query may load.
        sort = _TooMuch if status == 422 and "too many samples" in said else SourceDown
        return sort(f"{self._address}: HTTP {status} {said}".rstrip())

    def _warnings(self) -> tuple[str, ...]:
        response = self._session.last
        # Parsing twice costs more than looking for the word.
        if response is None or b'"warnings"' not in response.content:
            return ()
        return tuple(str(text) for text in response.json().get("warnings") or ())


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
