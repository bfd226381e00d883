package cairn

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// A call is one request on its way: the frame, and where its answer goes.
//
//   - A caller takes one from the client, encodes the frame, sends it over a connection of the session, and waits.
//   - The connection's reader puts the answer into it and wakes the caller, who gives the call back.
//   - When the session is lost, the supervisor takes all calls that were not answered from the connections: it wakes those
//     that the caller may send again itself, or that are unknown, and sends the others again, in order (see resend.go).
//
// Calls are used again, and made by a goroutine of the client: the channel of one that was made inside a testing/synctest
// bubble could not be used outside of it.
type call struct {
	ready chan struct{} // of one place; a wait takes exactly one token

	frame    []byte
	kind     frameType
	isRead   bool   // changes nothing: may be abandoned, and sent again
	leads    bool   // who sends it waits for it then, and may read meanwhile
	again    bool   // a write that may be sent again by its caller: it does no harm twice
	closing  bool   // of Close itself
	features uint64 // that the daemon must have
	chain    *Chain
	claim    *Claim // under which it was sent; nil: none
	newClaim *Claim // of a claim: what becomes of it
	number   uint64 // of a numbered write, given when it is sent
	bare     int    // of a write that may be numbered: the frame's length without its number; else 0
	base     int    // of a write: the frame's length without number and deadline, which each attempt adds anew

	// Under the connection's lock while it is sent
	conn      *conn
	id        uint64
	queued    bool // not handed to the kernel yet
	abandoned bool // nobody waits for the answer
	stamp     uint64

	stream *stream
	own    bool       // of the supervisor: nobody is woken, the tracker counts the answer
	kept   *keptWrite // of accepted metadata that is sent again
	track  *tracker   // of a call that is sent again
	onDisk bool       // of metadata that was not answered: the next run found it there

	answered bool // of what is sent again
	outcome  outcome
	status   Status
	reply    []byte
	owned    bool // reply was made for this answer
	failure  error
}

type outcome uint8

const (
	outcomeAnswered outcome = iota
	outcomeAgain            // not applied, and not refused: send it again
	outcomeFailed           // failure says why
)

// Replies up to this size go into a buffer that is used again, larger ones into memory of their own.
const replyBufferBytes = 4096

// A frame's buffer above this size is not kept for the next call.
const frameBufferBytesMax = 64 << 10

func newCall() *call {
	return &call{
		ready: make(chan struct{}, 1),
		frame: make([]byte, 0, 256),
		reply: make([]byte, 0, 256),
	}
}

var callPool sync.Pool // without New: see Client.newCall

func (c *Client) newCall(kind frameType) *call {
	cl, _ := callPool.Get().(*call)
	if cl == nil {
		select {
		case cl = <-c.freshCalls:
		case <-c.ended:
			cl = newCall() // the client has no goroutines any more
		}
	}
	cl.kind = kind
	return cl
}

// recycle gives a call back that no connection has any more.
func (cl *call) recycle() {
	if cap(cl.frame) > frameBufferBytesMax {
		cl.frame = nil
	}
	if cl.owned || cap(cl.reply) > replyBufferBytes {
		cl.reply = nil
	}
	select {
	case <-cl.ready:
	default:
	}
	*cl = call{ready: cl.ready, frame: cl.frame[:0], reply: cl.reply[:0]}
	callPool.Put(cl)
}

// ownFrame makes the frame one that nobody else reads: who wrote a large one out may still be at it, see conn.gather.
func (cl *call) ownFrame() {
	if cap(cl.frame) > frameBufferBytesMax {
		cl.frame = bytes.Clone(cl.frame)
	}
}

func (cl *call) wake() { cl.ready <- struct{}{} }

// replySpace returns n more bytes of the reply, for the reader to fill.
func (cl *call) replySpace(n int) []byte {
	start := len(cl.reply)
	if start+n > replyBufferBytes && start+n > cap(cl.reply) {
		cl.reply = append(make([]byte, 0, start+n), cl.reply...)
		cl.owned = true
	} else if start+n > cap(cl.reply) {
		cl.reply = append(make([]byte, 0, max(start+n, 2*cap(cl.reply))), cl.reply...)
	}
	cl.reply = cl.reply[:start+n]
	return cl.reply[start:]
}

// take returns the part of the reply as the caller's own.
func (cl *call) take(part []byte) []byte {
	if cl.owned {
		return part
	}
	if len(part) == 0 {
		return []byte{}
	}
	return bytes.Clone(part)
}

// takeReply returns the whole reply as the caller's own: its parts are, then.
func (cl *call) takeReply() []byte {
	if !cl.owned {
		return bytes.Clone(cl.reply)
	}
	return cl.reply
}

// Started returns a context for the calls that a larger call consists of. A context that ends between two calls is over when the second
// comes, which would ignore it: the second ends with the context that Started returns, and with one derived from that. It has no end if
// ctx is nil, or over when Started is called.
func Started(ctx context.Context) context.Context {
	switch {
	case ctx == nil:
		return context.Background()
	case ctx.Value(startedKey{}) != nil:
		return ctx
	case ctx.Err() != nil:
		return context.WithoutCancel(ctx)
	}
	return context.WithValue(ctx, startedKey{}, true)
}

type startedKey struct{}

// waiting is the context of a call, as the package's rules have it: none, if it was nil or over when the call came. A call that sends
// several requests has one for all of them: a context that ends between two of them is none for the second otherwise.
type waiting struct {
	ctx  context.Context
	done <-chan struct{}
}

func waitingFor(ctx context.Context) waiting {
	if ctx == nil || ctx.Err() != nil && ctx.Value(startedKey{}) == nil {
		return waiting{}
	}
	return waiting{ctx: ctx, done: ctx.Done()}
}

// isOver tells whether the context has ended.
func (w waiting) isOver() bool { return isClosed(w.done) }

// isClosed is for channels that are only closed; nil is one that never is.
func isClosed(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// mayRead tells whether who waits may read meanwhile: its context, if it has one, has time until a reader is interrupted.
func (w waiting) mayRead() bool {
	if w.done == nil {
		return true
	}
	deadline, ends := w.ctx.Deadline()
	return !ends || time.Until(deadline) > 2*restPause
}

// wait waits until the call, which was sent over that connection, is woken; by then it may have been sent again, over another. With an
// error the context has ended first: nobody will wake the call any more, and if gone is set, the connection has it still and gives it
// back by itself.
func (cl *call) wait(w waiting, over *conn) (gone bool, err error) {
	if (cl.leads && over.lead(cl)) || w.done == nil {
		<-cl.ready
		return false, nil
	}
	select {
	case <-cl.ready:
		return false, nil
	case <-w.done:
	}
	withdrawn, gone := over.withdraw(cl)
	if !withdrawn {
		<-cl.ready
		return false, nil
	}
	return gone, w.ctx.Err()
}
