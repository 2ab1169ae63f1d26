"""The questions of a run: its requests of waiting tools, and how many of them the state of a run can hold."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from agent_runs.ids import MAX_ID_BYTES, id_problem

# The service reads and writes the questions of every run of a batch. So their size has a limit, whatever a producer
# sends: with ids of 12 characters it holds about 150 open questions, and about 40 answered ones.
MAX_OPEN_BYTES: Final = 8192
MAX_ANSWERED_BYTES: Final = 2048
_QUESTION_BYTES: Final = 32  # of each question, in addition to its id and the name of its tool
_LARGEST_QUESTION: Final = 2 * MAX_ID_BYTES + _QUESTION_BYTES  # a recordable name is at most as long as an id


class Question(Struct, frozen=True):
    """A request of a waiting tool.

    Attributes:
        id: the id of the `tool_requested`.
        tool_name: the name of the tool.
    """

    id: str
    tool_name: str


def of_tool(questions: tuple[Question, ...], tool_name: str) -> tuple[Question, ...]:
    """Return the questions of one tool."""
    return tuple([question for question in questions if question.tool_name == tool_name])


def named(event_id: str | None, questions: Iterable[Question]) -> Question | None:
    """Return the question with this id, if it is one of `questions`."""
    for question in questions:
        if question.id == event_id:
            return question
    return None


def has_recordable_name(tool_name: str) -> bool:
    """Whether a tool has a name that the state of a run can hold.

    A name with U+FFFD is excluded because the stored message has this character in place of those that JSONB cannot
    store. So the state follows from the stored message, too.
    """
    return id_problem(tool_name) is None and "\ufffd" not in tool_name


def fits(questions: tuple[Question, ...]) -> bool:
    """Whether the state of a run can hold these open questions, whose names are recordable."""
    return len(questions) * _LARGEST_QUESTION <= MAX_OPEN_BYTES or sum(map(_size, questions)) <= MAX_OPEN_BYTES


def newest(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Return the last of these answered questions, as many as the state of a run can hold."""
    if len(questions) * _LARGEST_QUESTION <= MAX_ANSWERED_BYTES:
        return questions
    size = 0
    for kept, question in enumerate(reversed(questions)):
        size += _size(question)
        if size > MAX_ANSWERED_BYTES:
            return questions[len(questions) - kept :]
    return questions


def _size(question: Question) -> int:
    return len(question.id.encode()) + len(question.tool_name.encode()) + _QUESTION_BYTES
