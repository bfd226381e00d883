// Package cairn is the client of cairnd, a storage daemon for blockchain nodes, over its Unix socket.
//
// A process opens one [Client] and shares it: all its methods, and those of [Chain] and [Claim], may be called by any
// number of goroutines. The client keeps three connections, for reads, for queued metadata and for commits, so that
// none waits behind another kind, and one more a claim, on which nothing is sent (see [Claim.Holds]). When the daemon goes away the client connects again and goes on by itself:
//
//   - Reads are sent again.
//   - Metadata that was answered at level accepted is kept until it is known to be written, and sent again to a daemon
//     that did not find it on disk.
//   - Under a [Claim] commits, prunes and rollbacks are numbered. What was not answered is sent again, and the number
//     makes the daemon apply it once. Sets and deletes that were not answered are sent again, too.
//   - Without a claim a write that was sent and not answered fails with [ErrUnknown]: it may or may not be applied.
//     A write that was not sent yet waits for the next connection.
//   - Calls go on when all this is done: what this client was told before, it reads.
//
// A set, delete or raise that was not answered is not sent again if one that was sent later was answered and is on disk: then this one is
// there, too. Else it may be applied twice, and so may those that were sent behind it: the same values result, and meanwhile another
// client may read an earlier one again. Commits and rollbacks go over another connection: if one of another goroutine wrote the same name
// after the set began and before it returned, either value may be the last. Where their order counts, wait for the first.
//
// # Contexts
//
// A nil context is [context.Background]. A context that is over when a call comes is ignored, so that the last writes
// of a node that stops get through. A context that ends during a read ends the read with the context's error. One that ends
// during a write ends it only while the write has not been sent, and then nothing of it is applied; a write that was
// sent is waited for; its deadline goes with it, so that the daemon refuses it with ErrBusy, and applies nothing, if it finds no room for
// it until then. While the daemon is away, a call whose context is nil, or was over when it came, waits until the
// daemon answers or the client is closed. What makes several calls of one context, one after the other, takes that from [Started], or a call
// that begins when it has just ended ignores it.
//
// Calls may come from inside a testing/synctest bubble: they start no goroutine there, and whatever the client's own
// goroutines touch was made outside of it.
//
// # Streams
//
// Lists and reads of several blocks or names come as streams, each of one instant. A client has at most 100 of those open: one more waits
// until another ends, or ends the one of which nobody has taken a message for longest, with ErrBusy, if that is two seconds.
//
// # Memory
//
// Nothing that is passed to a call is referred to after it returned. Every value that a call returns is the caller's.
package cairn
