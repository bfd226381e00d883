#!/usr/bin/python3
"""A client of cairn written from proto/PROTOCOL.md and proto/cairn.proto alone: it shares no code with the daemon or libcairn.

    independent_client.py SOCKET

Goes through the protocol against the daemon at SOCKET, checks every answer against the document, prints each check that
failed and then `N passed, N failed`; exits 0 only if none failed. Works in chains of its own, on a store of any content. Needs
protoc and python3-protobuf.
"""
import hashlib
import os
import struct
import sys
import time

sys.dont_write_bytecode = True  # leave nothing beside the sources
from independent_wire import (
    ACCEPTED, CONFLICT, CONTINUED, DATA, DURABLE, HASH, HEADER, INVALID, MAGIC, MORE, NOT_FOUND, OK, QUIET, REQUEST, SIGNATURE,
    TOO_LARGE, TYPES, UNSUPPORTED, WRITTEN, Answer, Connection, pb,
)  # fmt: skip


class Checks:
    def __init__(self):
        self.passed = self.failed = 0
        self.part = ""

    def __call__(self, what, holds):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {self.part}: {what}")

    def equal(self, what, found, wanted):
        self(f"{what}: {found!r} instead of {wanted!r}", found == wanted)


check = Checks()


def refused(what, answer, status, reason=None):
    check.equal(what, answer.status, status)
    check(f"{what}: a text says why", answer.text)
    check(f"{what}: a conflict has a reason, and nothing else has", answer.error.HasField("reason") == (status == CONFLICT))
    if reason is not None:
        check.equal(f"{what}: the reason", answer.error.reason, reason)


def operation(name, **what):
    return pb.MetadataOperation(name=name, **what)


def fresh_chain(connection, suffix):
    name = f"independent.{os.getpid()}.{time.monotonic_ns() % 10**9}-{suffix}".encode()
    answer = connection.ask("CreateChain", pb.CreateChain(chain=name))
    check.equal("a new chain", (answer.status, answer.message.created), (OK, True))
    return name


def fill(connection, chain, first, last):
    """Blocks and states in one durable commit, the height with them."""
    commit = pb.Commit(chain=chain, rise_to=last)
    for height in range(first, last + 1):
        commit.blocks.add(height=height, header=b"header %d" % height, data=b"data" * height, signature=b"sig")
        commit.states.add(height=height, value=b"state %d" % height)
    answer = connection.ask("Commit", commit)
    check.equal("blocks are committed", answer.status, OK)
    return answer


def height_of(connection, chain):
    return connection.ask("Height", pb.Height(chain=chain)).message.height


def value_of(connection, chain, name):
    answer = connection.ask("GetMetadata", pb.GetMetadata(chain=chain, name=name))
    return answer.message.value if answer.status == OK else None


def u64(number):
    return struct.pack("<Q", number)


# ---- the document, section by section ----


def hello(path):
    connection = Connection(path)
    reply = connection.hello.message
    check.equal("hello", (connection.hello.status, reply.version, reply.features), (OK, 1, 0))
    check.equal("the store's id", len(reply.store_id), 16)
    check("a run", reply.run > 0)
    check("a frame's bound", 64 << 10 <= reply.frame_bytes_max <= 256 << 20)
    check("a window's bound", 0 < reply.window_bytes_max <= 4 << 20)
    check("a value's bound", 0 < reply.value_bytes_max <= 16 << 20)
    refused("a second hello", connection.ask("Hello", pb.Hello()), INVALID)
    check.equal("ping", connection.ask("Ping").status, OK)
    connection.close()

    again = Connection(path, hello=False)
    answer = again.ask("Hello", pb.Hello(version_min=1, version_max=9, features=2**64 - 1, resume_run=reply.run))
    check.equal("a wider range", (answer.status, answer.message.version), (OK, 1))
    features = pb.FEATURE_PRUNE_DRY_RUN | pb.FEATURE_LISTS | pb.FEATURE_DELETES | pb.FEATURE_CLAIMS
    check.equal("of all features those are in force that there are", answer.message.features, features)
    check.equal("the same run, the same store", (answer.message.run, answer.message.store_id), (reply.run, reply.store_id))
    again.close()

    check.equal("an empty hello means version 1", Connection(path, hello=False).ask("Hello").message.version, 1)


def chains(path):
    connection = Connection(path)
    name = fresh_chain(connection, "chains")
    answer = connection.ask("CreateChain", pb.CreateChain(chain=name))
    check.equal("a chain made again", (answer.status, answer.message.created), (OK, False))
    listed = [entry.name for entry in connection.ask("Chains").message.chains]
    check("default and the new one are listed", b"default" in listed and name in listed)
    check.equal("in byte order", listed, sorted(listed))
    entry = next(entry for entry in connection.ask("Chains").message.chains if entry.name == name)
    check("nothing is pruned", entry.height == 0 and not entry.HasField("blocks_pruned_through") and not entry.HasField("states_pruned_through"))
    for bad in (b"", b"a/b", b"A", b"x" * 65, b"a\0b", b"\xff"):
        refused(f"the chain name {bad!r}", connection.ask("CreateChain", pb.CreateChain(chain=bad)), INVALID)
        refused(f"reading in {bad!r}", connection.ask("Height", pb.Height(chain=bad)), INVALID)
    refused("a chain that does not exist", connection.ask("Height", pb.Height(chain=b"no-such-chain")), INVALID)
    refused("a write to it", connection.ask("Commit", pb.Commit(chain=b"no-such-chain", rise_to=1)), INVALID)
    check("the status page has something", len(connection.ask("Status").message.entries) > 5)
    connection.close()


def commits(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "commits")
    check.equal("no height", height_of(connection, chain), 0)
    numbers = []
    for level, reached in ((None, DURABLE), (ACCEPTED, WRITTEN), (WRITTEN, WRITTEN), (DURABLE, DURABLE)):
        height = len(numbers) + 1
        commit = pb.Commit(chain=chain, rise_to=height)
        if level is not None:
            commit.level = level
        commit.blocks.add(height=height, header=b"h%d" % height)
        answer = connection.ask("Commit", commit)
        check.equal(f"level {level}", (answer.status, answer.message.level), (OK, reached))
        check.equal("the height", height_of(connection, chain), height)
        numbers.append(answer.message.sequence)
    check("numbers rise", numbers == sorted(set(numbers)))

    answer = connection.ask("ReadBlock", pb.ReadBlock(chain=chain, height=1, parts=HEADER | DATA | SIGNATURE | HASH))
    block = answer.message
    digest = hashlib.sha256(b"h1").digest()
    check.equal("a block", (block.header, block.data, block.signature, block.hash), (b"h1", b"", b"", digest))
    check("empty parts are there", block.HasField("data") and block.HasField("signature"))
    answer = connection.ask("ReadBlock", pb.ReadBlock(chain=chain, hash=digest))
    check.equal("by its hash", (answer.status, answer.message.height), (OK, 1))
    check("no parts were asked for", not answer.message.HasField("header"))

    replace = pb.Commit(chain=chain, blocks=[pb.Block(height=1, header=b"other", hash=b"\0own")], rise_to=1)
    check.equal("a block is replaced", connection.ask("Commit", replace).status, OK)
    check.equal("the height stays", height_of(connection, chain), 4)
    check.equal("the old hash is gone", connection.ask("ReadBlock", pb.ReadBlock(chain=chain, hash=digest)).status, NOT_FOUND)
    answer = connection.ask("ReadBlock", pb.ReadBlock(chain=chain, hash=b"\0own", parts=HEADER))
    check.equal("the new one leads to it", (answer.message.height, answer.message.header), (1, b"other"))

    refused("another height", connection.ask("Commit", pb.Commit(chain=chain, expected_height=3, rise_to=9)), CONFLICT)
    check.equal("changed nothing", height_of(connection, chain), 4)
    check.equal("the right one", connection.ask("Commit", pb.Commit(chain=chain, expected_height=4, rise_to=5)).status, OK)

    states(connection, chain)
    big = os.urandom(3 << 20)
    connection.ask("Commit", pb.Commit(chain=chain, blocks=[pb.Block(height=7, data=big)], metadata=[operation(b"big", value=big)]))
    check("a large block", connection.ask("ReadBlock", pb.ReadBlock(chain=chain, height=7, parts=DATA)).message.data == big)
    check("a large value", value_of(connection, chain, b"big") == big)
    check.equal("a block above the height leaves it", height_of(connection, chain), 5)
    connection.close()


def states(connection, chain):
    commit = pb.Commit(chain=chain, states=[pb.State(height=height, value=b"%d" % height) for height in (0, 4, 5)])
    check.equal("states", connection.ask("Commit", commit).status, OK)
    answer = connection.ask("ReadState", pb.ReadState(chain=chain))
    check.equal("at the chain's height", (answer.message.height, answer.message.value), (5, b"5"))
    check.equal("the genesis state", connection.ask("ReadState", pb.ReadState(chain=chain, height=0)).message.value, b"0")
    check.equal("no state", connection.ask("ReadState", pb.ReadState(chain=chain, height=3)).status, NOT_FOUND)
    connection.ask("Commit", pb.Commit(chain=chain, states=[pb.State(height=6)], delete_states=[4, 6]))
    check.equal("a deleted state", connection.ask("ReadState", pb.ReadState(chain=chain, height=4)).status, NOT_FOUND)
    check.equal("set and deleted in one", connection.ask("ReadState", pb.ReadState(chain=chain, height=6)).status, NOT_FOUND)


def metadata(path):
    connection, other = Connection(path), Connection(path)
    chain = fresh_chain(connection, "metadata")
    for level, least in ((None, ACCEPTED), (ACCEPTED, ACCEPTED), (WRITTEN, WRITTEN), (DURABLE, DURABLE)):
        write = pb.WriteMetadata(chain=chain, operations=[operation(b"name", value=b"%d" % least)])
        if level is not None:
            write.level = level
        answer = connection.ask("WriteMetadata", write)
        check(f"level {level}", answer.status == OK and answer.message.level >= least)
        check.equal("seen on another connection", value_of(other, chain, b"name"), b"%d" % least)

    def write(*operations):
        return connection.ask("WriteMetadata", pb.WriteMetadata(chain=chain, operations=operations)).status

    check.equal("any bytes are a name", write(operation(b"\0/../\xff", value=b"")), OK)
    check.equal("an empty value is a value", value_of(connection, chain, b"\0/../\xff"), b"")
    check.equal("the longest name", write(operation(b"n" * 1024, value=b"long")), OK)
    check.equal("and back", value_of(connection, chain, b"n" * 1024), b"long")
    check.equal("delete", write(operation(b"name", delete=True)), OK)
    check.equal("gone", value_of(connection, chain, b"name"), None)
    check.equal("delete again", write(operation(b"name", delete=True)), OK)
    for number in (7, 6):
        check.equal("raise", write(operation(b"mark", **{"raise": number})), OK)
        check.equal("little-endian, and never back", value_of(connection, chain, b"mark"), u64(7))
    check.equal("a batch", write(operation(b"mark", value=b"text"), operation(b"mark", **{"raise": 1}), operation(b"b", value=b"2")), OK)
    check.equal("in its order", (value_of(connection, chain, b"mark"), value_of(connection, chain, b"b")), (u64(1), b"2"))
    write(operation(b"bound", value=b"v", of_height=3))
    answer = connection.ask("GetMetadata", pb.GetMetadata(chain=chain, name=b"bound"))
    check.equal("bound to a height", (answer.message.value, answer.message.of_height), (b"v", 3))

    answer = connection.ask("WriteMetadata", pb.WriteMetadata(chain=chain, operations=[operation(b"carried", value=b"1")]))
    commit = connection.ask("Commit", pb.Commit(chain=chain, carry=True, level=WRITTEN, rise_to=1))
    check.equal("a commit that carries", commit.status, OK)
    barrier = connection.ask("Barrier", pb.Barrier(level=WRITTEN))
    check("a barrier waits for all before", barrier.status == OK and barrier.message.sequence >= commit.message.sequence)
    check("and then all is written", barrier.written >= answer.message.sequence)
    barrier = connection.ask("Barrier")
    check("durable by default", barrier.message.level == DURABLE and barrier.durable >= commit.message.sequence)
    check.equal("accepted at once", connection.ask("Barrier", pb.Barrier(level=ACCEPTED)).status, OK)
    connection.close()
    other.close()


def pipelining(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "pipelining")
    fill(connection, chain, 1, 20)
    count = 20000
    body = bytearray()
    first = connection.last_id + 1
    for number in range(count):
        connection.last_id += 1
        write = pb.WriteMetadata(chain=chain, operations=[operation(b"name %d" % (number % 50), value=u64(number))])
        encoded = write.SerializeToString()
        body += REQUEST.pack(MAGIC, TYPES["WriteMetadata"], 0, 0, len(encoded), connection.last_id) + encoded
    connection.send_bytes(body)
    replies = [connection.answer(first + number) for number in range(count)]
    check("more writes than the queue holds are all accepted", all(reply.status == OK for reply in replies))
    numbers = [reply.message.sequence for reply in replies]
    check("in the order they were sent", all(left < right for left, right in zip(numbers, numbers[1:])))
    check.equal("the last one counts", value_of(connection, chain, b"name 49"), u64(count - 1))

    asked = []
    for height in range(1, 21):
        asked.append((connection.send("Commit", pb.Commit(chain=chain, metadata=[operation(b"c", value=u64(height))])), None))
        asked.append((connection.send("ReadBlock", pb.ReadBlock(chain=chain, height=height, parts=HEADER)), b"header %d" % height))
        asked.append((connection.send("Ping"), None))
    for number, header in reversed(asked):
        answer = connection.answer(number)
        check("an answer under its id", answer.status == OK and (header is None or answer.message.header == header))
    check.equal("nothing else comes", connection.frame(asked[0][0], QUIET), None)
    connection.close()


def streams(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "streams")
    fill(connection, chain, 1, 12)
    many = pb.ReadBlocks(chain=chain, heights=[12, 3, 99, 3], parts=HEADER)
    answer = connection.answer(connection.send("ReadBlocks", many))
    found = [(block.height, block.absent, block.header) for block in answer.messages]
    wanted = [(12, False, b"header 12"), (3, False, b"header 3"), (99, True, b""), (3, False, b"header 3")]
    check.equal("heights in the order given", (answer.status, found), (OK, wanted))
    answer = connection.answer(connection.send("ReadBlocks", pb.ReadBlocks(chain=chain, first=4, last=100, parts=DATA)))
    check.equal("a range", [block.height for block in answer.messages], list(range(4, 13)))
    check("with the part asked for", all(block.data == b"data" * block.height for block in answer.messages))

    for window in (1, 2, 7, 4096):
        request = pb.ReadBlocks(chain=chain, first=1, last=12, parts=HEADER | DATA, window_bytes=window)
        answer = connection.answer(connection.send("ReadBlocks", request), credit=True, first_window=window)
        check.equal(f"through a window of {window}", [block.height for block in answer.messages], list(range(1, 13)))
        check("whole", all(block.data == b"data" * block.height for block in answer.messages))

    number = connection.send("ReadBlocks", pb.ReadBlocks(chain=chain, first=1, last=12, parts=DATA, window_bytes=1))
    frame = connection.frame(number)
    check.equal("one byte", (len(frame.body), frame.flags), (1, CONTINUED | MORE))
    check("then it stands still", connection.frame(number, QUIET) is None)
    check.equal("and holds up nobody", fill(connection, chain, 13, 13).status, OK)
    connection.send("Ping", None, number)
    refused("its id is taken", Answer(connection.frame(number), []), INVALID)
    connection.send("Credit", pb.Credit(bytes=3), number)
    check.equal("credit for more", len(connection.frame(number).body), 3)
    connection.send("Cancel", None, number)
    frame = connection.frame(number)
    while frame is not None and frame.flags & MORE:
        frame = connection.frame(number)
    check("cancel ends it with ok", frame is not None and (frame.status, frame.body) == (OK, b""))
    connection.send("Credit", pb.Credit(bytes=3), number)
    connection.send("Cancel", None, number)
    check("credit for no stream does nothing", connection.frame(number, QUIET) is None)
    check.equal("the id is free again", connection.answer(connection.send("Ping", None, number)).status, OK)
    names(connection, chain)
    connection.close()


def names(connection, chain):
    keys = sorted([b"a", b"a\0", b"ab", b"ab\xff", b"ac", b"b", b"\xff\xff"])
    connection.ask("WriteMetadata", pb.WriteMetadata(chain=chain, operations=[operation(key, value=key * 3) for key in keys]))

    def listed(**what):
        request = pb.ListMetadata(chain=chain, **what)
        window = what.get("window_bytes")
        answer = connection.answer(connection.send("ListMetadata", request), credit=True, first_window=window)
        check.equal("a list", answer.status, OK)
        if "parts" not in what:
            check("with values", all(item.value == item.name * 3 for item in answer.messages))
        elif what["parts"] == pb.METADATA_SIZE:
            check("with sizes alone", all(item.size == 3 * len(item.name) and not item.HasField("value") for item in answer.messages))
        return [item.name for item in answer.messages]

    check.equal("all names", listed(), keys)
    check.equal("a prefix", listed(prefix=b"a"), [key for key in keys if key.startswith(b"a")])
    check.equal("a prefix of 0xff", listed(prefix=b"\xff"), [b"\xff\xff"])
    check.equal("a start and a limit", listed(prefix=b"a", start=b"ab", limit=2), [b"ab", b"ab\xff"])
    check.equal("a start before the prefix", listed(prefix=b"ab", start=b"a"), [b"ab", b"ab\xff"])
    check.equal("one byte at a time", listed(window_bytes=1), keys)
    check.equal("a prefix nobody has", listed(prefix=b"zz"), [])
    check.equal("from the last name down", listed(reverse=True), keys[::-1])
    check.equal("a limit counts from there", listed(reverse=True, limit=2, prefix=b"a"), [b"ac", b"ab\xff"])
    check.equal("between two names", listed(start=b"a\0", end=b"ac"), [b"a\0", b"ab", b"ab\xff"])
    check.equal("and down", listed(start=b"a\0", end=b"ac", reverse=True, parts=pb.METADATA_SIZE), [b"ab\xff", b"ab", b"a\0"])
    check.equal("an end at the start", listed(start=b"b", end=b"b"), [])
    refused("a part that is none", connection.ask("ListMetadata", pb.ListMetadata(chain=chain, parts=8)), INVALID)
    present = connection.ask("GetMetadata", pb.GetMetadata(chain=chain, name=b"ab", parts=0))
    check.equal("presence alone", (present.status, present.message), (OK, pb.MetadataReply()))
    request = pb.GetMetadataMany(chain=chain, names=[b"b", b"none", b"a", b"b"], window_bytes=1)
    answer = connection.answer(connection.send("GetMetadataMany", request), credit=True, first_window=1)
    found = [(item.name, item.absent, item.value) for item in answer.messages]
    wanted = [(b"b", False, b"bbb"), (b"none", True, b""), (b"a", False, b"aaa"), (b"b", False, b"bbb")]
    check.equal("many names in the order given", found, wanted)


def deletes(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "deletes")
    fill(connection, chain, 1, 4)
    marks = [operation(name, value=b"m") for name in (b"a", b"b", b"b\0", b"c")]
    connection.ask("WriteMetadata", pb.WriteMetadata(chain=chain, operations=marks + [operation(b"bound", value=b"m", of_height=2)]))

    def gone(*ranges, **what):
        operations = [pb.MetadataOperation(delete_range=names) for names in ranges]
        return connection.ask("Commit", pb.Commit(chain=chain, metadata=operations + [operation(b"b", value=b"behind")], **what))

    refused("under a condition", gone(pb.NameRange(), expected_height=9), CONFLICT, pb.REASON_HEIGHT)
    check.equal("nothing went", value_of(connection, chain, b"a"), b"m")
    check.equal("a range, and blocks", gone(pb.NameRange(to=b"b\0"), delete_blocks=[2, 4, 99]).status, OK)
    left = [value_of(connection, chain, name) for name in (b"a", b"b", b"b\0", b"c", b"bound")]
    check.equal("what is behind it is there", left, [None, b"behind", b"m", b"m", b"m"])
    blocks = [connection.ask("ReadBlock", pb.ReadBlock(chain=chain, height=height)).status for height in (1, 2, 3, 4)]
    check.equal("the blocks", blocks, [OK, NOT_FOUND, OK, NOT_FOUND])
    by_hash = connection.ask("ReadBlock", pb.ReadBlock(chain=chain, hash=hashlib.sha256(b"header 2").digest()))
    check.equal("by its hash", (by_hash.status, height_of(connection, chain)), (NOT_FOUND, 4))
    check.equal("without ends all goes", gone(pb.NameRange()).status, OK)
    check.equal("but what comes behind it", value_of(connection, chain, b"c"), None)
    refused("a range that ends where it begins", gone(pb.NameRange(**{"from": b"x", "to": b"x"})), INVALID)
    refused("block 0", gone(delete_blocks=[0]), INVALID)
    queued = pb.WriteMetadata(chain=chain, operations=[pb.MetadataOperation(delete_range=pb.NameRange())])
    refused("a range that is queued", connection.ask("WriteMetadata", queued), INVALID)
    check("bytes of the chain", connection.ask("Usage", pb.Usage(chain=chain)).message.bytes > 0)
    refused("bytes of none", connection.ask("Usage", pb.Usage(chain=b"no-such-chain")), INVALID)
    connection.close()


def prune_and_rollback(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "prune")
    fill(connection, chain, 1, 10)
    marks = [operation(b"at %d" % height, value=b"m", of_height=height) for height in range(1, 11)]
    for name, value in ((b"final", u64(4)), (b"included", u64(9)), (b"word", b"no number")):
        marks.append(operation(name, value=value))
    written = connection.ask("WriteMetadata", pb.WriteMetadata(chain=chain, operations=marks)).message.sequence

    def ask(name, message):
        message.chain = chain
        return connection.ask(name, message)

    def block_at(height):
        return ask("ReadBlock", pb.ReadBlock(height=height)).status

    refused("pruning above the height", ask("Prune", pb.Prune(blocks_through=11)), CONFLICT)
    refused("pruning the last state", ask("Prune", pb.Prune(states_through=10)), CONFLICT)
    refused("pruning through 0", ask("Prune", pb.Prune(blocks_through=0)), INVALID)
    request = pb.Prune(blocks_through=3, states_through=2, metadata=[operation(b"pruned", **{"raise": 3})], dry_run=True)
    reply = ask("Prune", request).message
    check.equal("what would go", (reply.blocks, reply.states, reply.metadata, reply.HasField("lowered")), (3, 2, 3, False))
    check.equal("a dry run has no number", (reply.HasField("sequence"), reply.HasField("level")), (False, False))
    check.equal("and changes nothing", (block_at(3), value_of(connection, chain, b"pruned")), (OK, None))
    request.ClearField("dry_run")
    check.equal("prune", ask("Prune", request).status, OK)
    check.equal("again", ask("Prune", pb.Prune(blocks_through=2)).status, OK)
    check.equal("its blocks are gone", (block_at(3), block_at(4)), (NOT_FOUND, OK))
    gone = ask("ReadBlock", pb.ReadBlock(hash=hashlib.sha256(b"header 2").digest()))
    check.equal("by their hashes too", gone.status, NOT_FOUND)
    check.equal("its states are gone", ask("ReadState", pb.ReadState(height=2)).status, NOT_FOUND)
    check.equal("others are not", ask("ReadState", pb.ReadState(height=3)).status, OK)
    bound = (value_of(connection, chain, b"at 3"), value_of(connection, chain, b"at 4"))
    check.equal("what is bound goes with the blocks", bound, (None, b"m"))
    check.equal("its own metadata is there", value_of(connection, chain, b"pruned"), u64(3))
    refused("a block that is pruned", ask("Commit", pb.Commit(blocks=[pb.Block(height=3)])), CONFLICT)
    refused("a state that is pruned", ask("Commit", pb.Commit(states=[pb.State(height=1)])), CONFLICT)
    late = ask("WriteMetadata", pb.WriteMetadata(operations=[operation(b"late", value=b"", of_height=3)]))
    check.equal("bound to a pruned height: taken, and gone", (late.status, value_of(connection, chain, b"late")), (OK, None))
    entry = next(entry for entry in connection.ask("Chains").message.chains if entry.name == chain)
    check.equal("the marks", (entry.blocks_pruned_through, entry.states_pruned_through), (3, 2))

    refused("rollback above the height", ask("Rollback", pb.Rollback(to=11)), CONFLICT)
    refused("rollback to what is pruned", ask("Rollback", pb.Rollback(to=3)), CONFLICT)
    refused("rollback without a target", ask("Rollback", pb.Rollback()), INVALID)
    refused("a guard refuses", ask("Rollback", pb.Rollback(to=7, guards=[pb.Guard(name=b"included")])), CONFLICT, pb.REASON_GUARD)
    refused("a guard that is no height", ask("Rollback", pb.Rollback(to=7, guards=[pb.Guard(name=b"word")])), INVALID)
    guards = [pb.Guard(name=b"included", lower=True), pb.Guard(name=b"final"), pb.Guard(name=b"none"), pb.Guard(name=b"word", pass_malformed=True)]
    for dry in (True, False):
        answer = ask("Rollback", pb.Rollback(to=7, guards=guards, dry_run=dry, metadata=[operation(b"back", value=b"1")]))
        reply = answer.message
        counts = (reply.blocks, reply.states, reply.metadata, reply.lowered)
        check.equal("what goes", (answer.status, counts), (OK, (3, 3, 3, 1)))
        check.equal("a dry run has no number and no level", (reply.HasField("sequence"), reply.HasField("level")), (not dry, not dry))
        check.equal("dry or not", (height_of(connection, chain), block_at(8)), (10, OK) if dry else (7, NOT_FOUND))
    after = [value_of(connection, chain, name) for name in (b"included", b"final", b"at 8", b"at 7", b"back")]
    check.equal("metadata after it", after, [u64(7), u64(4), None, b"m", b"1"])
    resend = pb.WriteMetadata(operations=[operation(b"resent", value=b"")], resend_of=written)
    refused("a write from before the rollback", ask("WriteMetadata", resend), CONFLICT, pb.REASON_ROLLED_BACK)
    resend.resend_of = 1
    refused("a write from before the chain", ask("WriteMetadata", resend), CONFLICT, pb.REASON_DROPPED)
    check.equal("is not applied", value_of(connection, chain, b"resent"), None)
    ask("Commit", pb.Commit(delete_states=[5]))
    refused("rollback to where no state is", ask("Rollback", pb.Rollback(to=5)), CONFLICT, pb.REASON_NO_STATE)
    connection.close()


# ---- section 9, line by line ----


def closes(path, what, data, status, kind, number, hello=True):
    connection = Connection(path, hello)
    connection.send_bytes(data)
    check(f"{what}: the connection ends", connection.ends())
    found = [(frame.status, frame.type, frame.id, frame.error().text != b"") for frame in connection.frames]
    check.equal(f"{what}: one answer with a text", found, [(status, kind, number, True)])
    connection.close()


def bad_connections(path):
    ping = REQUEST.pack(MAGIC, TYPES["Ping"], 0, 0, 0, 9)
    closes(path, "garbage", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", INVALID, 1, 0)
    closes(path, "garbage first", b"\x16\x03\x01" + bytes(61), INVALID, 1, 0, hello=False)
    closes(path, "a reply's type", REQUEST.pack(MAGIC, 0x82, 0, 0, 0, 9) + ping, INVALID, 1, 0)
    closes(path, "a reserved byte", REQUEST.pack(MAGIC, TYPES["Ping"], 1, 0, 0, 9), INVALID, 1, 0)
    closes(path, "the other reserved byte", REQUEST.pack(MAGIC, TYPES["Ping"], 0, 1, 0, 9), INVALID, 1, 0)
    closes(path, "no hello first", ping, INVALID, TYPES["Ping"], 9, hello=False)
    for what, low, high in (("a later version", 2, 9), ("version 0", 0, 0)):
        body = pb.Hello(version_min=low, version_max=high).SerializeToString()
        closes(path, what, REQUEST.pack(MAGIC, 1, 0, 0, len(body), 5) + body, UNSUPPORTED, 1, 5, hello=False)
    closes(path, "a hello that lies", REQUEST.pack(MAGIC, 1, 0, 0, 2, 5) + b"\x22\x09", INVALID, 1, 5, hello=False)
    closes(path, "4 GiB", REQUEST.pack(MAGIC, TYPES["Commit"], 0, 0, 2**32 - 1, 9), TOO_LARGE, TYPES["Commit"], 9)
    connection = Connection(path)
    bound = connection.hello.message.frame_bytes_max
    closes(path, "a byte too many", REQUEST.pack(MAGIC, TYPES["Ping"], 0, 0, bound + 1, 9), TOO_LARGE, TYPES["Ping"], 9)
    stuck = Connection(path)
    stuck.send("ListMetadata", pb.ListMetadata(window_bytes=0))
    stuck.send_bytes(b"no request header")
    check("a stream that stands still does not keep a bad connection", stuck.ends())
    stuck.close()
    for part in (b"", ping[:1], ping[:15], REQUEST.pack(MAGIC, TYPES["Commit"], 0, 0, 1000, 9) + bytes(10)):
        cut = Connection(path)
        cut.send_bytes(part)
        cut.close()
    check.equal("cut frames harm nobody", connection.ask("Ping").status, OK)
    connection.close()


def bad_messages(path):
    connection = Connection(path)
    chain = fresh_chain(connection, "bad")

    def raw(name, body):
        return connection.answer(connection.send_raw(TYPES[name], body))

    for kind in (0, 99):
        refused(f"the unknown type {kind}", connection.answer(connection.send_raw(kind, b"whatever")), UNSUPPORTED)
    refused("a truncated message", raw("Height", b"\x0a\x07def"), INVALID)
    refused("a wrong wire type", raw("Height", b"\x08\x01"), INVALID)
    refused("a group", raw("Ping", b"\x0b\x0c"), INVALID)
    refused("an endless number", raw("Barrier", b"\x08" + b"\xff" * 11), INVALID)
    refused("a level that is none", raw("Barrier", b"\x08\x07"), INVALID)
    refused("many elements", raw("Commit", b"\x52\x00" * 200000), TOO_LARGE)
    refused("an operation of a length that lies", raw("WriteMetadata", b"\x22\x05\x0a\x01a"), INVALID)
    check.equal("an unknown field is skipped", raw("Ping", b"\xf8\x07\x01").status, OK)
    refused("17 unknown fields", raw("Ping", b"\xf8\x07\x01" * 17), TOO_LARGE)

    def one(kind="WriteMetadata", /, **what):
        message = getattr(pb, kind)(**what)
        message.chain = chain
        return connection.ask(kind, message)

    no_name, long_name = operation(b"", value=b"v"), operation(b"n" * 1025, value=b"v")
    for name, field in (("WriteMetadata", "operations"), ("Commit", "metadata"), ("Prune", "metadata")):
        refused(f"no name in {name}", one(name, **{field: [no_name]}), INVALID)
        refused(f"a name of 1,025 bytes in {name}", one(name, **{field: [long_name]}), TOO_LARGE)
    for name, status in ((b"", INVALID), (b"n" * 1025, TOO_LARGE)):
        refused("reading such a name", one("GetMetadata", name=name), status)
        refused("or several", one("GetMetadataMany", names=[b"a", name]), status)
    refused("no operations", one(), INVALID)
    refused("an operation without one", one(operations=[operation(b"a")]), INVALID)
    refused("delete that is false", one(operations=[operation(b"a", delete=False)]), INVALID)
    refused("bound to height 0", one(operations=[operation(b"a", value=b"", of_height=0)]), INVALID)
    refused("a delete that is bound", one(operations=[operation(b"a", delete=True, of_height=1)]), INVALID)
    large = bytes(connection.hello.message.value_bytes_max + 1)
    refused("a value too large to queue", one(operations=[operation(b"a", value=large)]), TOO_LARGE)
    refused("a block at height 0", one("Commit", blocks=[pb.Block(height=0)]), INVALID)
    refused("a block without height", one("Commit", blocks=[pb.Block(header=b"h")]), INVALID)
    refused("a state without height", one("Commit", states=[pb.State(value=b"s")]), INVALID)
    for size in (0, 65):
        refused(f"a hash of {size} bytes", one("Commit", blocks=[pb.Block(height=1, hash=bytes(size))]), INVALID)
        refused(f"reading it, {size} bytes", one("ReadBlock", hash=bytes(size)), INVALID)
    refused("reading block 0", one("ReadBlock", height=0), INVALID)
    refused("reading no block in particular", one("ReadBlock", parts=HEADER), INVALID)
    refused("parts that are none", one("ReadBlock", height=1, parts=16), INVALID)
    refused("blocks of no heights", one("ReadBlocks"), INVALID)
    refused("heights and a range", one("ReadBlocks", heights=[1], first=1, last=2), INVALID)
    refused("height 0 among others", one("ReadBlocks", heights=[1, 0]), INVALID)
    refused("16,385 heights", one("ReadBlocks", heights=[1] * 16385), TOO_LARGE)
    refused("16,385 names", one("GetMetadataMany", names=[b"n"] * 16385), TOO_LARGE)
    refused("a prefix of 1,025 bytes", one("ListMetadata", prefix=b"p" * 1025), TOO_LARGE)
    check.equal("nothing of this was applied", (height_of(connection, chain), value_of(connection, chain, b"a")), (0, None))
    check.equal("and the connection works", connection.ask("Ping").status, OK)
    connection.close()


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for part in (hello, chains, commits, metadata, pipelining, streams, deletes, prune_and_rollback, bad_connections, bad_messages):
        check.part = part.__name__
        try:
            part(sys.argv[1])
        except Exception as error:  # one part that breaks off must not hide the others
            check(f"broke off: {type(error).__name__}: {error}", False)
    print(f"{check.passed} passed, {check.failed} failed")
    return 0 if check.failed == 0 and check.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
