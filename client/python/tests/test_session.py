"""The session without a socket: what bytes do to it, and what is sent again in which order."""

from __future__ import annotations

import unittest
from typing import Any

from cairn import CairnError, Dropped, Set, Status, _requests, cairn_pb2
from cairn._session import Pending, Session

STORE = bytes(range(16))


def reply(type_: int, id_: int, message: Any = None, status: Status = Status.OK, through: int = 0, flags: int = 0) -> bytes:
    body = b"" if message is None else bytes(message.SerializeToString())
    header = _requests.REPLY_HEADER.pack(
        _requests.MAGIC, type_ + 0x80, flags, int(status), len(body), id_, through, through
    )
    return header + body


def hello(run: int = 1, on_disk: int = 0, store: bytes = STORE, **more: Any) -> bytes:
    message = cairn_pb2.HelloReply(
        version=1, store_id=store, run=run, run_random=run + 1000, metadata_on_disk=on_disk, frame_bytes_max=1 << 20, **more
    )
    return reply(_requests.HELLO, 1, message)


def written(pending_id: int, sequence: int, through: int = 0) -> bytes:
    return reply(_requests.WRITE_METADATA, pending_id, cairn_pb2.WriteReply(sequence=sequence, level="LEVEL_ACCEPTED"), through=through)


def refused(id_: int, status: Status, type_: int = _requests.WRITE_METADATA) -> bytes:
    return reply(type_, id_, cairn_pb2.Error(text=b"no"), status)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.dropped: list[Dropped] = []
        self.session = Session("", 1 << 20, self.dropped.append)

    def connect(self, answer: bytes) -> None:
        self.session.start()
        self.sent()
        self.session.receive(answer)

    def sent(self) -> list[tuple[int, Any]]:
        """The metadata writes that were sent: id and message."""
        found = []
        while self.session.out:
            frame, pending = self.session.out.popleft()
            if pending is not None:
                pending.sent = True
            type_, id_ = frame[1], int.from_bytes(frame[8:16], "little")
            if type_ == _requests.WRITE_METADATA:
                message = cairn_pb2.WriteMetadata()
                message.ParseFromString(frame[16:])
                found.append((id_, message))
        return found

    def write(self, name: bytes) -> Pending:
        return self.session.submit(_requests.write("", [Set(name, b"")], None, 1.0))

    def accept(self, count: int) -> None:
        """So many writes are accepted, under 1, 2, 3 …"""
        for number in range(1, count + 1):
            pending = self.write(b"%d" % number)
            self.session.receive(written(pending.id, number))
            self.assertTrue(pending.done and pending.error is None)
        self.sent()

    def lose(self) -> None:
        self.session.lost(CairnError(Status.CONNECTION_LOST, "lost"))

    def resent_of(self) -> list[int]:
        return [message.resend_of for _, message in self.sent()]

    def frames(self) -> list[tuple[int, int, bytes]]:
        """All that was sent: type, id and body."""
        found = []
        while self.session.out:
            frame, pending = self.session.out.popleft()
            if pending is not None:
                pending.sent = True
            found.append((frame[1], int.from_bytes(frame[8:16], "little"), frame[16:]))
        return found

    def claim(self) -> None:
        self.session.submit(_requests.claim("", "node", False))
        [(_, id_, _)] = self.frames()
        answer = cairn_pb2.ClaimReply(sequence=5, epoch=cairn_pb2.Epoch(sequence=5, random=7))
        self.session.receive(reply(_requests.CLAIM, id_, answer))

    def numbers(self) -> list[int]:
        found = []
        for type_, _, body in self.frames():
            self.assertEqual(type_, _requests.COMMIT)
            message = cairn_pb2.Commit()
            message.ParseFromString(body)
            found.append(int(message.number))
        return found

    def lose_and_present(self, again: Pending, last: int | None) -> Pending:
        """The connection is lost and made again, and the call is submitted again before the claim is presented."""
        self.lose()
        self.assertTrue(again.done and again.error is not None and again.goes_again)
        self.session.start()
        self.frames()
        self.session.receive(hello(features=_requests.FEATURES))
        again = self.session.submit(again.call)
        [(type_, id_, body)] = self.frames()
        self.assertEqual(type_, _requests.PRESENT)
        present = cairn_pb2.Present()
        present.ParseFromString(body)
        self.assertEqual((present.epoch.sequence, present.epoch.random, present.for_numbers), (5, 7, True))
        self.session.receive(refused(id_, Status.NO_SPACE, _requests.PRESENT))
        self.assertEqual(self.frames(), [])  # it is presented again after a pause
        self.session.resume()
        [(type_, id_, body)] = self.frames()
        if last is None:
            self.session.receive(refused(id_, Status.CONFLICT, _requests.PRESENT))
        else:
            self.session.receive(reply(_requests.PRESENT, id_, cairn_pb2.PresentReply(last_number=last)))
        return again

    def test_a_numbered_write_happens_once(self) -> None:
        self.connect(hello(features=_requests.FEATURES))
        self.claim()
        commit = self.session.submit(_requests.commit("", _requests.Commit(rise_to=1), None, False, None, None))
        behind = self.session.submit(_requests.commit("", _requests.Commit(rise_to=2), None, False, None, None))
        self.assertEqual(self.numbers(), [1])  # one at a time
        commit = self.lose_and_present(commit, 0)
        self.assertTrue(behind.error is not None and behind.error.status == Status.NOT_SENT)
        self.assertEqual(self.numbers(), [1])  # it was not applied
        commit = self.lose_and_present(commit, 1)
        self.assertTrue(commit.done and commit.error is None and commit.value.repeated)
        behind = self.session.submit(behind.call)
        self.assertEqual(self.numbers(), [2])
        self.assertFalse(behind.done)

    def test_a_claim_that_nobody_knows_leaves_its_write_unknown(self) -> None:
        self.connect(hello(features=_requests.FEATURES))
        self.claim()
        commit = self.session.submit(_requests.commit("", _requests.Commit(rise_to=1), None, False, None, None))
        self.assertEqual(self.numbers(), [1])
        commit = self.lose_and_present(commit, None)
        self.assertTrue(commit.error is not None and commit.error.status == Status.CONNECTION_LOST and not commit.goes_again)
        with self.assertRaises(CairnError) as caught:
            self.write(b"a")
        self.assertEqual(caught.exception.status, Status.CONFLICT)

    def test_a_write_that_nobody_waits_for_holds_up_the_next_until_it_is_decided(self) -> None:
        self.connect(hello(features=_requests.FEATURES))
        self.claim()
        commit = self.session.submit(_requests.commit("", _requests.Commit(rise_to=1), None, False, None, None))
        [(_, id_, _)] = self.frames()
        self.session.abandon(commit)
        self.session.over(commit.call)
        self.session.submit(_requests.commit("", _requests.Commit(rise_to=2), None, False, None, None))
        self.assertEqual(self.numbers(), [])
        self.session.receive(reply(_requests.COMMIT, id_, cairn_pb2.WriteReply(sequence=9, level="LEVEL_DURABLE")))
        self.assertEqual(self.numbers(), [2])

    def test_frames_may_be_cut_anywhere(self) -> None:
        chains = cairn_pb2.ChainsReply(chains=[cairn_pb2.ChainEntry(name=b"default", height=7)])
        self.session.start()
        for byte in hello():
            self.session.receive(bytes([byte]))
        pending = self.session.submit(_requests.chains())
        for byte in reply(_requests.CHAINS, pending.id, chains):
            self.session.receive(bytes([byte]))
        self.assertEqual(pending.value[0].height, 7)

    def test_a_later_run_gets_what_it_did_not_find_in_order_and_first(self) -> None:
        self.connect(hello())
        self.accept(5)
        self.lose()
        self.connect(hello(run=2, on_disk=2))
        new = self.write(b"new")
        sent = self.sent()
        self.assertEqual([message.resend_of for _, message in sent], [3, 4, 5])
        for index, (id_, _) in enumerate(sent):
            self.assertFalse(new.sent)
            self.session.receive(written(id_, 100 + index))
        self.assertEqual([message.operations[0].name for _, message in self.sent()], [b"new"])
        self.assertEqual(self.session.counters().kept_operations, 3)
        self.session.receive(written(new.id, 103, through=103))
        self.assertEqual(self.session.counters().kept_operations, 0)
        self.assertEqual(self.session.counters().resent_operations, 3)

    def test_the_same_run_gets_nothing_again(self) -> None:
        self.connect(hello())
        self.accept(3)
        self.lose()
        self.connect(hello())
        self.assertEqual(self.resent_of(), [])
        self.assertEqual(self.session.counters().kept_operations, 3)

    def test_what_is_not_answered_before_the_next_crash_stays_lost(self) -> None:
        self.connect(hello())
        self.accept(2)
        self.lose()
        self.connect(hello(run=2))
        self.assertEqual(self.resent_of(), [1, 2])
        self.lose()
        self.connect(hello(run=3, on_disk=50))
        self.assertEqual(self.resent_of(), [1, 2])

    def test_a_refusal_for_now_holds_up_all_behind_it(self) -> None:
        self.connect(hello())
        self.accept(3)
        self.lose()
        self.connect(hello(run=2))
        sent = self.sent()
        self.session.receive(written(sent[0][0], 100))
        self.session.receive(refused(sent[1][0], Status.BUSY))
        self.session.receive(written(sent[2][0], 101))
        self.assertTrue(self.session.resend_pause)
        self.assertEqual(self.resent_of(), [])
        self.session.resume()
        self.assertEqual(self.resent_of(), [2, 3])

    def test_a_refusal_for_good_is_told_and_the_rest_goes_on(self) -> None:
        self.connect(hello())
        self.accept(2)
        self.lose()
        self.connect(hello(run=2))
        sent = self.sent()
        self.session.receive(refused(sent[0][0], Status.CONFLICT) + written(sent[1][0], 100))
        self.assertEqual([(each.sequence, each.error.status) for each in self.dropped], [(1, Status.CONFLICT)])
        self.assertEqual(self.session.counters().kept_operations, 1)

    def test_another_store_is_refused_until_it_is_forgotten(self) -> None:
        for other in (
            hello(store=bytes(16)), hello(run=2, store_changed=True),
            reply(_requests.HELLO, 1, cairn_pb2.HelloReply(version=1, store_id=STORE, run=1, run_random=5, frame_bytes_max=1 << 20)),
        ):
            self.setUp()
            self.connect(hello())
            self.accept(1)
            self.lose()
            with self.assertRaises(CairnError) as caught:
                self.connect(other)
            self.assertEqual(caught.exception.status, Status.STORE_CHANGED)
            self.lose()
            self.assertEqual(self.session.forget(), 1)
            self.connect(hello(store=bytes(16)))
            self.assertEqual(self.resent_of(), [])

    def test_an_older_daemon_gets_no_request_that_it_would_take_for_another(self) -> None:
        self.connect(hello())
        with self.assertRaises(CairnError) as caught:
            self.session.submit(_requests.prune("", 1, None, [], True, None, 1.0))
        self.assertEqual(caught.exception.status, Status.UNSUPPORTED)
        self.lose()
        self.connect(hello(features=1))
        self.session.submit(_requests.prune("", 1, None, [], True, None, 1.0))

    def test_what_was_sent_is_unknown_and_what_was_not_is_not_applied(self) -> None:
        self.connect(hello())
        first, second = self.write(b"1"), self.write(b"2")
        first.sent = True
        self.lose()
        assert first.error is not None and second.error is not None
        self.assertEqual((first.error.status, second.error.status), (Status.CONNECTION_LOST, Status.NOT_SENT))

    def test_a_refused_hello_says_why(self) -> None:
        with self.assertRaises(CairnError) as caught:
            self.connect(reply(_requests.HELLO, 0, cairn_pb2.Error(text=b"1,024 connections"), Status.BUSY))
        self.assertEqual(caught.exception.status, Status.BUSY)
        self.assertIn("1,024 connections", caught.exception.text)

    def test_what_is_no_frame_and_what_was_not_asked_for_ends_the_connection(self) -> None:
        for wrong in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n    ", reply(_requests.PING, 77), reply(_requests.PING, 2, flags=_requests.MORE),
            reply(_requests.CHAINS, 2), reply(_requests.PING, 2, status=Status.OK)[:4] + b"\xff" * 28,
        ):
            self.setUp()
            self.connect(hello())
            self.session.submit(_requests.ping())
            with self.assertRaises(CairnError) as caught:
                self.session.receive(wrong)
            self.assertEqual(caught.exception.status, Status.CONNECTION_LOST)


if __name__ == "__main__":
    unittest.main(verbosity=2)
