"""What a step means: user code runs at least once, its outcome is recorded once, failures are tried again."""

from __future__ import annotations

from typing import Any

from ..errors import DurableError, MaxStepRetriesExceeded
from ..options import StepOptions
from ..serializers.errors import decode_error, encode_error
from .commands import Call, FailedTry, Frame, Park, Record, Transact
from .drive import Operation


def run(
    scope: Any, options: StepOptions, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], seq: int | None = None
) -> Operation:
    """Run `fn` as a step. Attempts that failed before a crash or a parking count. `seq`: a slot that was reserved."""
    slot = scope.open(options.name, "step", seq) if seq else scope.open(options.name, "step")
    if slot.recorded:
        return slot.replay()
    retry = options.retry
    errors: list[BaseException] = [decode_error(text) for text in scope.journal.tries.get(slot.seq, ())]
    while True:
        attempt = len(errors) + 1
        frame = Frame(slot.seq, options.name, attempt, retry.max_attempts)
        started_at = scope.now()
        try:
            value = yield Call(fn, args, kwargs, frame, options.timeout, options.is_preemptible)
        except Exception as error:
            errors.append(error)
            try:
                again = attempt < retry.max_attempts and (yield from _worth_it(retry, error, frame))
            except Exception as broken:  # should_retry failed, and what it would have said is not known
                yield slot.failure(broken, attempts=attempt)
                raise
            if not again:
                yield _given_up(slot, retry, errors, started_at, scope.now())
                final = _final(options.name, retry, errors)
                if final is error:
                    raise
                raise final from error
            yield Record(effects=(_failed(slot, attempt, error, started_at, scope.now()),))
            until = scope.now() + retry.delay_after(attempt)
            while scope.now() < until:  # a wait in memory may end early
                yield Park(f"retry:{options.name}", until=until)
        else:
            break
    try:
        record = slot.success(value, attempts=attempt)
    except DurableError as error:  # it cannot be stored; another try would not change that
        yield slot.failure(error, attempts=attempt)
        raise
    yield record
    return value


def transact(
    scope: Any, options: StepOptions, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
    using: str | None, isolation: str | None,
) -> Operation:  # fmt: skip
    """Run `fn` in one database transaction with its own record: its writes happen exactly once."""
    slot = scope.open(options.name, "transaction")
    if slot.recorded:
        return slot.replay()
    try:
        return (yield Transact(fn, args, kwargs, Frame(slot.seq, options.name), slot, using, isolation))
    except Exception as error:
        yield slot.failure(error)
        raise


def _worth_it(retry: Any, error: BaseException, frame: Frame) -> Operation:
    if retry.should_retry is None:
        return True
    return bool((yield Call(retry.should_retry, (error,), {}, frame)))


def _failed(slot: Any, n: int, error: BaseException, started_at: float, ended_at: float) -> FailedTry:
    return FailedTry(slot.seq, n, slot.name, encode_error(error), started_at, ended_at)


def _given_up(slot: Any, retry: Any, errors: list[BaseException], started_at: float, ended_at: float) -> Record:
    attempt = len(errors)
    record = slot.failure(_final(slot.name, retry, errors), attempts=attempt)
    if retry.max_attempts == 1:
        return record
    return Record(record.rows, (_failed(slot, attempt, errors[-1], started_at, ended_at),))


def _final(name: str, retry: Any, errors: list[BaseException]) -> BaseException:
    """The error of the step: its own when it had one try or was not worth another, else the sum of all tries."""
    if len(errors) < retry.max_attempts or retry.max_attempts == 1:
        return errors[-1]
    last = f"{type(errors[-1]).__name__}: {errors[-1]}"
    return MaxStepRetriesExceeded(step=name, attempts=len(errors), last=last, errors=list(errors))
