"""DBOS's errors: names, codes, texts, and which of Durable's they stand for."""

from __future__ import annotations

import pickle

import pytest

from durable import errors
from durable.compat.dbos import error as dbos
from durable.serializers import decode_error, encode_error

CODES = {
    "DBOSWorkflowConflictIDError": 1, "DBOSRecoveryError": 2, "DBOSInitializationError": 3,
    "DBOSWorkflowFunctionNotFoundError": 4, "DBOSNonExistentWorkflowError": 5, "MaxRecoveryAttemptsExceededError": 6,
    "DBOSMaxStepRetriesExceeded": 7, "DBOSNotAuthorizedError": 8, "DBOSConflictingWorkflowError": 9,
    "DBOSWorkflowCancelledError": 10, "DBOSUnexpectedStepError": 11, "DBOSQueueDeduplicatedError": 12,
    "DBOSAwaitedWorkflowCancelledError": 13, "DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded": 14,
    "DBOSPatchNondeterminismError": 15, "DBOSStreamTimeoutError": 16, "DBOSStreamNondeterminismError": 17,
    "DBOSStepTimeoutError": 18, "DBOSConflictingRegistrationError": 25, "DBOSQueryTimeoutError": 26,
    "DBOSWorkflowIDInUseError": 27, "DBOSStepNondeterminismError": 28,
}  # fmt: skip
ARGUMENTS = {
    "MaxRecoveryAttemptsExceededError": ("w", 3),
    "DBOSMaxStepRetriesExceeded": ("step", 3, [ValueError("no")]),
    "DBOSUnexpectedStepError": ("w", 2, "now", "before"),
    "DBOSQueueDeduplicatedError": ("w", "queue", "user-1"),
}
NATIVE = [
    (errors.WorkflowNotFound(workflow_id="w"), "DBOSNonExistentWorkflowError"),
    (errors.WorkflowConflict(workflow_id="w", existing="a", wanted="b"), "DBOSConflictingWorkflowError"),
    (errors.WorkflowIdInUse(workflow_id="w"), "DBOSWorkflowIDInUseError"),
    (errors.QueueDeduplicated(queue="q", dedup_id="d"), "DBOSQueueDeduplicatedError"),
    (errors.NonDeterminism(workflow_id="w", seq=1, recorded="a", now="b"), "DBOSUnexpectedStepError"),
    (errors.MaxStepRetriesExceeded(step="s", attempts=3, last="no", errors=[]), "DBOSMaxStepRetriesExceeded"),
    (errors.StepTimeout(step="s", timeout=1), "DBOSStepTimeoutError"),
    (errors.StreamTimeout(key="k", workflow_id="w", timeout=1), "DBOSStreamTimeoutError"),
    (errors.WorkflowWasCancelled(workflow_id="w"), "DBOSAwaitedWorkflowCancelledError"),
    (errors.WorkflowIsDead(workflow_id="w", attempts=3), "DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded"),
    (errors.UnknownDefinition(name="f", known="none"), "DBOSWorkflowFunctionNotFoundError"),
    (errors.InvalidOption(option="delay", value=-1, hint="give more"), "DBOSException"),
    (errors.OutsideWorkflow(verb="recv"), "DBOSException"),
]


def made(name: str) -> BaseException:
    return getattr(dbos, name)(*ARGUMENTS.get(name, ("w",)))


@pytest.mark.parametrize("name", CODES)
def test_an_error_says_its_code_and_its_message(name):
    error = made(name)
    assert error.dbos_error_code == CODES[name]
    assert str(error) == f"DBOS Error {CODES[name]}: {error.message}"
    assert {code.value for code in dbos.DBOSErrorCode} == set(CODES.values())


@pytest.mark.parametrize("name", CODES)
def test_an_error_can_be_pickled_for_another_process(name):
    error = made(name)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert vars(again).keys() == vars(error).keys()


@pytest.mark.parametrize("name", [name for name in CODES if issubclass(getattr(dbos, name), Exception)])
def test_an_error_that_ends_a_workflow_comes_back_as_itself(name):
    error = made(name)
    again = decode_error(encode_error(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert again.dbos_error_code == error.dbos_error_code


@pytest.mark.parametrize("name", ["DBOSWorkflowCancelledError", "DBOSWorkflowConflictIDError"])
def test_what_unwinds_a_workflow_is_no_exception_that_it_might_handle(name):
    assert not isinstance(made(name), Exception)


@pytest.mark.parametrize(("native", "name"), NATIVE, ids=[name for _, name in NATIVE])
def test_each_error_of_durable_has_a_name_of_dbos(native, name):
    assert type(dbos.translate(native)) is getattr(dbos, name)


def test_the_texts_about_roles_are_those_of_dbos():
    denied = errors.NotAuthorized(function="tfunc", roles="user", reason="", is_authenticated=False)
    without = "requires a role, but was called in a context without authentication information"
    assert str(dbos.translate(denied)) == f"DBOS Error 8: Function tfunc {without}"
    denied = errors.NotAuthorized(function="tfunc", roles="user", reason="", is_authenticated=True)
    other = "has required roles, but user is not authenticated for any of them"
    assert str(dbos.translate(denied)) == f"DBOS Error 8: Function tfunc {other}"


def test_a_programs_own_error_is_left_alone():
    error = ValueError("mine")
    assert dbos.translate(error) is error
    with pytest.raises(ValueError, match="mine") as caught, dbos.translated():
        raise error
    assert caught.value is error
