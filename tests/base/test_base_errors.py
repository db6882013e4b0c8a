import pytest

from autopilot.base.errors import AutopilotError, InvalidInput, Problem, RetryLater, TerminalError


def test_a_problem_says_where_what_and_what_would_be_right() -> None:
    problem = Problem("autopilot.yaml", 12, "phases[2].inputs[0]", "unknown kind", "use pods")
    assert str(problem) == "autopilot.yaml:12: phases[2].inputs[0]: unknown kind; use pods"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("", 0, "", "it is empty"), "it is empty"),
        (Problem("a.yaml", 0, "", "it is empty"), "a.yaml: it is empty"),
        (Problem("a.yaml", 3, "", "it is empty", "write x"), "a.yaml:3: it is empty; write x"),
        (Problem("", 0, "kind", "it is missing"), "kind: it is missing"),
    ],
)
def test_a_problem_leaves_out_what_it_does_not_know(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_invalid_input_tells_every_problem_in_the_order_of_the_file() -> None:
    error = InvalidInput(
        [Problem("b", 1, "", "z"), Problem("a", 10, "", "y"), Problem("a", 2, "", "x")]
    )
    assert str(error).splitlines() == ["a:2: x", "a:10: y", "b:1: z"]
    assert len(error.problems) == 3


def test_an_error_says_its_consequence() -> None:
    assert RetryLater("busy", after=2.5).after == 2.5
    assert RetryLater("busy").after is None
    assert not issubclass(TerminalError, RetryLater)
    for kind in (RetryLater, TerminalError, InvalidInput):
        assert issubclass(kind, AutopilotError)
