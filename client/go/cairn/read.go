package cairn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// The read side of a connection belongs to one goroutine at a time.
//
//   - A caller that finds it free takes it, and reads until its own call is answered: one goroutine is woken for an answer, as
//     by a bare round trip. It takes small answers only, of calls that mean nothing for the client beyond the answer.
//   - The reader goroutine has it for all else. It frees it when no call is under way, and rests. It takes it back when no
//     caller has read for a while, so that the end of the connection is noticed, when a call is queued whose caller does not
//     read, a stream's, say, and when a caller hands it on: because others wait for answers, because of a frame that is not for
//     callers, or because the connection failed.
//   - A caller that has read for a while without being answered is interrupted by the reader goroutine, and hands the read
//     side on: it may have a context to look after. One whose context ends sooner than that does not read.
//
// A frame that a caller has read in part stays in the buffer, which whoever has the read side goes on with.

// restPause is how often the reader goroutine looks whether callers read, while it rests: how late a caller that reads notices that its
// context was canceled (twice this at most), and how soon an idle connection is watched. A timer that is nearer than the kernel's next
// tick has to be set and taken back around each wait for an answer: with 4 ms a get took 29 µs, with 50 ms 25, without a timer 25.
const restPause = 50 * time.Millisecond

// Frames above this are not read by callers, since the buffer cannot hold them whole.
const readBufferBytes = 64 << 10

// errNotForCallers: the next frame is one that the reader goroutine reads.
var errNotForCallers = errors.New("the reader goroutine's")

// readLoop reads frames until the connection ends.
func (c *conn) readLoop() {
	defer close(c.read)
	timer := time.NewTimer(restPause)
	defer timer.Stop()
	for c.readErr == nil {
		c.readErr = c.readFrame()
		if c.readErr == nil && c.release() {
			c.rest(timer)
		}
	}
	c.client.lose(c.session, c.readErr)
}

// release gives the read side up if nobody waits for an answer.
func (c *conn) release() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight > 0 || c.dead || c.in.any() {
		return false
	}
	c.reading = false
	return true
}

// rest returns when the reader goroutine has the read side again.
func (c *conn) rest(timer *time.Timer) {
	lost := c.session.lost
	interrupted := false
	var seen uint64
	for first := true; ; first = false {
		timer.Reset(restPause)
		select {
		case <-c.turn:
			if interrupted {
				c.socket.SetReadDeadline(time.Time{})
			}
			return
		case <-timer.C:
		case <-lost:
			lost = nil // the timer does it from here on
		}
		c.mu.Lock()
		quiet := !first && c.leads == seen
		seen = c.leads
		take := !c.reading && (quiet || c.dead)
		c.reading = c.reading || take
		c.mu.Unlock()
		switch {
		case take:
			c.turn <- struct{}{}
		case quiet:
			interrupted = true
			c.socket.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// lead reads, if nobody does, until the call is answered. False: the call is not answered yet, and somebody else reads.
func (c *conn) lead(cl *call) bool {
	c.mu.Lock()
	if c.reading || c.dead || c.lookup(cl.id) != cl {
		c.mu.Unlock()
		return false
	}
	c.reading = true
	c.leads++
	c.mu.Unlock()
	var err error
	for err == nil && len(cl.ready) == 0 {
		if err = c.callersFrame(); err == nil {
			err = c.readFrame()
		}
	}
	if err != nil && err != errNotForCallers && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.readErr = err
	}
	c.mu.Lock()
	hand := err != nil || c.inFlight > 0 || c.dead || c.in.any()
	c.reading = hand
	c.mu.Unlock()
	if hand {
		c.turn <- struct{}{}
	}
	return len(cl.ready) > 0
}

// callersFrame waits until the next frame is in the buffer whole; an error if it is not for callers.
func (c *conn) callersFrame() error {
	head, err := c.in.peek(replyHeaderBytes)
	if err != nil {
		return err
	}
	h, ok := decodeReplyHeader(head)
	if !ok || h.length > readBufferBytes-replyHeaderBytes || (h.status != StatusOK && h.status != StatusNotFound) {
		return errNotForCallers
	}
	c.mu.Lock()
	cl := c.lookup(h.id)
	forCallers := cl != nil && cl.stream == nil && !cl.own && cl.newClaim == nil
	c.mu.Unlock()
	if !forCallers {
		return errNotForCallers
	}
	_, err = c.in.peek(replyHeaderBytes + int(h.length))
	return err
}

// readFrame reads one frame, and does what it means.
func (c *conn) readFrame() error {
	in := &c.in
	head, err := in.peek(replyHeaderBytes)
	if err != nil {
		return err
	}
	h, ok := decodeReplyHeader(head)
	if !ok {
		return errors.New("the daemon sent bytes that are not a frame")
	}
	in.skip(replyHeaderBytes)
	if uint64(h.length) > c.session.hello.limits.FrameBytesMax {
		return fmt.Errorf("the daemon sent a frame of %d bytes, above its own bound", h.length)
	}
	c.mu.Lock()
	cl := c.lookup(h.id)
	if cl != nil && cl.kind != h.kind {
		cl = nil
	}
	c.mu.Unlock()
	c.client.keep.writtenThrough(h.writtenThrough)
	if cl == nil {
		return c.unexpected(in, h)
	}
	if cl.stream != nil && h.flags&flagMore != 0 {
		return cl.stream.take(in, h.length, h.flags&flagContinued != 0)
	}
	if err := in.read(cl.replySpace(h.length)); err != nil {
		return err
	}
	if h.flags != 0 {
		return nil // the answer goes on
	}
	c.mu.Lock()
	c.remove(cl) // from here on its caller waits for it, if it has not gone
	abandoned := cl.abandoned
	c.mu.Unlock()
	cl.status, cl.outcome = h.status, outcomeAnswered
	c.client.finish(c, cl, abandoned)
	return nil
}

// unexpected gives the error of a frame that answers no request: the daemon's reason to close the connection, mostly.
func (c *conn) unexpected(in *reader, h replyHeader) error {
	if h.id != 0 || h.length > replyBufferBytes {
		return errors.New("the daemon answered what was not asked")
	}
	body := make([]byte, h.length)
	if err := in.read(body); err != nil {
		return err
	}
	e, _ := decodeError(body)
	return fmt.Errorf("the daemon closes the connection: %s", e.Text)
}

// reader is a buffer before a connection.
type reader struct {
	socket     *net.UnixConn
	buffer     []byte
	start, end int
	bytes      *atomic.Uint64 // that were read
}

// peek returns the next n bytes, which a buffer holds.
func (r *reader) peek(n int) ([]byte, error) {
	if r.end-r.start < n {
		copy(r.buffer, r.buffer[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
		for r.end < n {
			got, err := r.socket.Read(r.buffer[r.end:])
			r.end += got
			r.bytes.Add(uint64(got))
			if err != nil && r.end < n {
				return nil, err
			}
		}
	}
	return r.buffer[r.start : r.start+n], nil
}

// any tells whether something was read that nobody has taken.
func (r *reader) any() bool { return r.start < r.end }

func (r *reader) skip(n int) { r.start += n }

// read fills b.
func (r *reader) read(b []byte) error {
	n := copy(b, r.buffer[r.start:r.end])
	r.start += n
	if n == len(b) {
		return nil
	}
	got, err := io.ReadFull(r.socket, b[n:])
	r.bytes.Add(uint64(got))
	return err
}

// discard drops n bytes.
func (r *reader) discard(n int) error {
	for n > 0 {
		part := min(n, len(r.buffer))
		if _, err := r.peek(part); err != nil {
			return err
		}
		r.skip(part)
		n -= part
	}
	return nil
}
