"""Wraps a function so that each call of it is recorded; the function may be a coroutine or generator function."""

import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from agent_runs.events import Json
from agent_runs.signal_safety import reraise_from_signal_handler

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Recorder:
    """Records one call of a function. This class records nothing; subclasses record. No method raises.

    Attributes:
        answer: answers the call from a recording; it gets the call of the function, and raises what the recording
            raises. None: the function is called.
    """

    answer: Callable[[Callable[[], Any]], Any] | None = None

    def running(self) -> AbstractContextManager[object]:
        """Return the context of the run in which code of the function runs."""
        return nullcontext()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Return a context in which code of the function runs. An exception is recorded as its failure, and propagates.

        A generator enters it for each of its steps.
        """
        with self.running():
            try:
                yield
            except BaseException as error:
                self.fail(error)
                raise

    def add(self, item: Json) -> None:
        """Keep an item of a generator for its result."""

    def end(self) -> None:
        """Record that a generator has ended; its result is the list of its items."""

    def succeed(self, result: Json) -> None:
        """Record that the function has returned."""

    def fail(self, error: BaseException) -> None:
        """Record that the function has raised an exception."""


# Begins the record of a call with these arguments.
Start = Callable[[dict[str, Json]], Recorder]


def instrument(function: Callable[_P, _R], start: Start) -> Callable[_P, _R]:
    """Return a function that does what `function` does, and records each call.

    The call of a generator is recorded from its first step to its end. If its consumer closes it before its end, it has
    succeeded with the items so far.
    """
    target: Any = function if inspect.isroutine(function) or isinstance(function, partial) else _call_method(function)
    bind = _binder(function)
    wrapper: Any
    if inspect.iscoroutinefunction(target):
        wrapper = _wrap_coroutine_function(function, bind, start)
    elif inspect.isasyncgenfunction(target):
        wrapper = _wrap_async_generator(function, bind, start)
    elif inspect.isgeneratorfunction(target):
        wrapper = _wrap_generator(function, bind, start)
    else:
        wrapper = _wrap_function(function, bind, start)
    return cast("Callable[_P, _R]", wraps(function)(wrapper))


Bind = Callable[[tuple[Any, ...], Mapping[str, Any]], dict[str, Json]]


def _call_method(function: Any) -> Any:
    """Return the `__call__` of an object, which tells whether a call returns a coroutine."""
    return getattr(type(function), "__call__", function)  # noqa: B004  # the method itself is needed


def _binder(function: Any) -> Bind:
    """Return a function that returns the arguments of a call by name, without `self` and `cls`."""
    try:
        signature: inspect.Signature | None = inspect.signature(function)
    except (TypeError, ValueError):  # some functions that are written in C have none
        signature = None

    def bind(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Json]:
        try:
            if signature is not None:
                bound = signature.bind(*arguments, **keywords).arguments
                first = next(iter(signature.parameters), None)
                return {name: value for name, value in bound.items() if name != first or name not in ("self", "cls")}
        except TypeError:
            pass  # wrong arguments: the call itself will raise
        return {"args": list(arguments), **keywords}

    return bind


def _wrap_function(function: Any, bind: Bind, start: Start) -> Any:
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        recorder = _start(start, bind, arguments, keywords)
        with recorder.recording():
            if recorder.answer is None:
                result = function(*arguments, **keywords)
            else:
                result = recorder.answer(partial(function, *arguments, **keywords))
            recorder.succeed(result)
        return result

    return wrapper


def _wrap_coroutine_function(function: Any, bind: Bind, start: Start) -> Any:
    async def wrapper(*arguments: Any, **keywords: Any) -> Any:
        recorder = _start(start, bind, arguments, keywords)
        with recorder.recording():
            if recorder.answer is None:
                result = await function(*arguments, **keywords)
            else:
                answer = recorder.answer(partial(function, *arguments, **keywords))
                result = await answer if inspect.isawaitable(answer) else answer
            recorder.succeed(result)
        return result

    return wrapper


def _wrap_generator(function: Any, bind: Bind, start: Start) -> Any:
    def wrapper(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        generator = function(*arguments, **keywords)  # raises if the arguments are wrong; then there is no call
        recorder = _start(start, bind, arguments, keywords)
        if recorder.answer is not None:
            generator = _recorded_items(recorder.answer, generator)
        step: Callable[[], Any] = partial(next, generator)
        while True:
            with recorder.recording():
                try:
                    item = step()
                except StopIteration as end:
                    recorder.end()
                    return end.value
                recorder.add(item)
            try:
                step = partial(generator.send, (yield item))
            except GeneratorExit:
                with recorder.running():
                    generator.close()
                    recorder.end()
                raise
            except BaseException as error:  # noqa: BLE001  # thrown by the consumer, for the generator
                step = partial(generator.throw, error)

    return wrapper


def _wrap_async_generator(function: Any, bind: Bind, start: Start) -> Any:
    async def wrapper(*arguments: Any, **keywords: Any) -> AsyncIterator[Any]:
        generator = function(*arguments, **keywords)  # raises if the arguments are wrong; then there is no call
        recorder = _start(start, bind, arguments, keywords)
        if recorder.answer is not None:
            generator = _recorded_items_async(recorder.answer, generator)
        step: Callable[[], Any] = partial(anext, generator)
        while True:
            with recorder.recording():
                try:
                    item = await step()
                except StopAsyncIteration:
                    recorder.end()
                    return
                recorder.add(item)
            try:
                step = partial(generator.asend, (yield item))
            except GeneratorExit:
                with recorder.running():
                    await generator.aclose()
                    recorder.end()
                raise
            except BaseException as error:  # noqa: BLE001  # thrown by the consumer, for the generator
                step = partial(generator.athrow, error)

    return wrapper


def _recorded_items(answer: Callable[[Callable[[], Any]], Any], generator: Any) -> Generator[Any, Any, Any]:
    """Iterate over the recorded items of a generator; or over the generator, if the recording lets the call through."""
    found = answer(lambda: generator)
    if found is generator:
        return (yield from generator)
    for item in found:  # noqa: UP028  # not `yield from`: a list takes no values from the consumer
        yield item
    return None


async def _recorded_items_async(answer: Callable[[Callable[[], Any]], Any], generator: Any) -> AsyncIterator[Any]:
    found = answer(lambda: generator)
    if found is generator:
        async for item in generator:
            yield item
    else:
        for item in found:
            yield item


def _start(start: Start, bind: Bind, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Recorder:
    try:
        return start(bind(arguments, keywords))
    except Exception as error:  # noqa: BLE001  # an agent must not fail because of its audit trail
        reraise_from_signal_handler(error)
        return Recorder()
