"""Referrals kept in memory for a long drain: never older than what the store has."""

from __future__ import annotations

import pytest

from adapter.dossier import FROZEN
from adapter.ports import Uow
from adapter.recall import Recall
from tests.e2e.stage import Stage, staged


def lane(stage: Stage) -> str:
    return stage.app.read_now(lambda _, uow: next(letter.lane for letter in uow.letters()))


def test_a_referral_is_the_same_object_until_something_is_saved_and_then_as_it_is() -> None:
    with staged() as stage:
        stage.sent()
        recall, request = Recall(), lane(stage)
        first = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        again = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert first and again and again.task is first.task, "from memory"
        stage.call(id="appel-2")  # whatever it is that was saved
        fresh = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert fresh and fresh.task is not first.task and fresh.task == first.task


def test_a_referral_read_behind_a_write_that_fails_is_not_kept() -> None:
    with staged() as stage:
        stage.sent()
        recall, request = Recall(), lane(stage)
        before = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert before

        def fail(uow: Uow) -> None:
            task = uow.current("Task", before.task["id"])
            assert task
            uow.save(task.__class__(**{name: getattr(task, name) for name in task.__slots__} | {"deleted": True}), expected=None, index=())
            assert recall.of_request(uow, request) is None, "as this unit has it"
            raise RuntimeError("undone")

        with pytest.raises(RuntimeError, match="undone"):
            stage.app.store.write_now(fail)
        after = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert after and after.task == before.task


def test_a_patient_who_is_frozen_since_is_frozen() -> None:
    with staged() as stage:
        stage.sent()
        recall, request = Recall(), lane(stage)
        found = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert found and not found.frozen
        stage.app.store.write_now(lambda uow: uow.keep(FROZEN + found.request["subject"]["reference"], b"1"))
        now = stage.app.read_now(lambda _, uow: recall.of_request(uow, request))
        assert now and now.frozen
