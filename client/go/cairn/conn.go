package cairn

import (
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// A conn is one connection of a session, after its hello.
//
//   - Callers write: who sends a frame while nobody writes hands it to the kernel itself, without waiting; what others queue
//     meanwhile goes with it. What the kernel does not take at once is left to the connection's writer goroutine.
//   - One goroutine at a time reads: a caller that is alone, or the connection's reader (see read.go). It never waits for a
//     caller: replies go into the calls, parts of streams into buffers that the streams' windows bound.
//   - A connection that fails takes the whole session with it: from then on nothing is sent over any, what the daemon still
//     answers is read, and the supervisor takes the calls that were not answered.
type conn struct {
	client  *Client
	session *session
	socket  *net.UnixConn
	raw     syscall.RawConn
	wake    chan struct{} // of one place: there is something for the writer goroutine
	read    chan struct{} // closed when the reader has ended
	written chan struct{} // closed when the writer goroutine has ended
	drained chan struct{} // closed when the connection was drained, and has all answers; callers must not make it, see call

	// Of who has the read side
	in      reader
	readErr error         // why nothing can be read any more
	turn    chan struct{} // of one place: the read side, handed to the reader goroutine

	mu       sync.Mutex
	dead     bool   // nothing is sent any more
	draining bool   // drained is to be closed
	reading  bool   // somebody has the read side
	leads    uint64 // times that a caller took it
	writing  bool   // somebody hands bytes to the kernel
	handed   bool   // that is the writer goroutine
	slots    []slot
	free     []uint32 // places in slots
	inFlight int
	pending  []*call // queued, in order
	control  []byte  // frames that have no answer: credits and cancels

	// Of who has set writing
	out     [][]byte // what is to be handed to the kernel, in order
	outAt   int      // what of it was
	outEnds []end    // of the calls' frames in it
	outSent int      // bytes of it that the kernel has taken
	scratch []byte   // small frames, put together
	takes   []byte   // of the write under way
	taken   int
	failure error
	write   func(fd uintptr) bool
}

type slot struct {
	call       *call
	generation uint32
}

// end is where a call's frame ends in what is handed to the kernel.
type end struct {
	call *call
	at   int
}

// More than this is not kept for the next write.
const scratchBytesMax = 1 << 20

// With this many requests under way, others are likely about to send: who writes lets them queue theirs first.
const coalesceFrom = 4

func newConn(client *Client, s *session, socket *net.UnixConn) (*conn, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{
		client: client, session: s, socket: socket, raw: raw,
		wake: make(chan struct{}, 1), read: make(chan struct{}), written: make(chan struct{}),
		drained: make(chan struct{}),
		in:      reader{socket: socket, buffer: make([]byte, readBufferBytes), bytes: &client.bytesRead},
		turn:    make(chan struct{}, 1), reading: true,
	}
	c.write = func(fd uintptr) bool {
		for {
			c.taken, c.failure = syscall.Write(int(fd), c.takes)
			if c.failure != syscall.EINTR {
				return true
			}
		}
	}
	return c, nil
}

func (c *conn) start() {
	go c.readLoop()
	go c.writeLoop()
}

// send queues a call, and hands it to the kernel if nobody else does. It never waits. False: the connection is dead, and the call
// was not sent.
func (c *conn) send(cl *call) bool {
	if !c.queue(cl, false) {
		return false
	}
	c.flush(cl)
	return true
}

// queue is send without the second half. again: the write keeps its place in the order, and its tracker.
func (c *conn) queue(cl *call, again bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	c.place(cl)
	cl.conn, cl.queued, cl.abandoned = c, true, false
	if !again && !cl.own {
		cl.track = nil
	}
	cl.reply, cl.owned, cl.status = cl.reply[:0], false, StatusOK
	if !cl.isRead && !again {
		cl.stamp = c.client.stamps.Add(1)
	}
	c.pending = append(c.pending, cl)
	if !c.reading && (!cl.leads || again) {
		c.reading = true
		c.turn <- struct{}{}
	}
	return true
}

// place gives the call an id. Under the lock.
func (c *conn) place(cl *call) {
	var at uint32
	if n := len(c.free); n > 0 {
		at = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		at = uint32(len(c.slots))
		c.slots = append(c.slots, slot{})
	}
	s := &c.slots[at]
	s.call = cl
	s.generation++
	cl.id = uint64(s.generation)<<32 | uint64(at+1)
	setFrameID(cl.frame, cl.id)
	c.inFlight++
}

// lookup returns the call with an id, nil if there is none. Under the lock.
func (c *conn) lookup(id uint64) *call {
	at := uint32(id) - 1
	if uint64(at) >= uint64(len(c.slots)) || c.slots[at].call == nil || c.slots[at].call.id != id {
		return nil
	}
	return c.slots[at].call
}

// has tells whether the connection has a call. It does not look at the call, which may be sent again over another one meanwhile. Under
// the lock.
func (c *conn) has(cl *call) bool {
	return slices.ContainsFunc(c.slots, func(s slot) bool { return s.call == cl })
}

// remove frees the call's place. Under the lock.
func (c *conn) remove(cl *call) {
	at := uint32(cl.id) - 1
	c.slots[at].call = nil
	c.free = append(c.free, at)
	c.inFlight--
	if c.draining && c.inFlight == 0 {
		c.draining = false
		close(c.drained)
	}
}

// sendControl queues a frame that has no answer.
func (c *conn) sendControl(encode func(b []byte) []byte) {
	c.mu.Lock()
	if !c.dead {
		c.control = encode(c.control)
	}
	c.mu.Unlock()
	c.flush(nil)
}

// flush hands what is queued to the kernel, unless somebody does already; own is the caller's, if it has one.
func (c *conn) flush(own *call) {
	c.mu.Lock()
	if c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	if c.inFlight > coalesceFrom {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	for !c.dead && (len(c.pending) > 0 || len(c.control) > 0) {
		c.gather(own)
		c.mu.Unlock()
		rest, err := c.writeSome()
		if err != nil {
			c.unsent()
			c.client.lose(c.session, err)
		}
		c.mu.Lock()
		if rest && err == nil {
			c.handed = true
			c.mu.Unlock()
			c.wake <- struct{}{}
			return
		}
	}
	c.writing = false
	c.mu.Unlock()
}

// gather moves what is queued to out. Under the lock. A frame whose buffer is used again is copied, unless it is the
// caller's own: its owner may be answered, and go on, before the one who wrote it.
func (c *conn) gather(own *call) {
	if cap(c.scratch) > scratchBytesMax {
		c.scratch = nil
	}
	c.out, c.outAt, c.scratch = c.out[:0], 0, c.scratch[:0]
	c.outEnds, c.outSent = c.outEnds[:0], 0
	from, sum := 0, len(c.control)
	c.scratch = append(c.scratch, c.control...)
	for _, cl := range c.pending {
		direct := len(cl.frame) > frameBufferBytesMax || (cl == own && len(c.pending) == 1)
		if !direct {
			c.scratch = append(c.scratch, cl.frame...)
			continue
		}
		if len(c.scratch) > from {
			c.out = append(c.out, c.scratch[from:])
			from = len(c.scratch)
		}
		c.out = append(c.out, cl.frame)
	}
	if len(c.scratch) > from {
		c.out = append(c.out, c.scratch[from:])
	}
	for i, cl := range c.pending {
		sum += len(cl.frame)
		c.outEnds = append(c.outEnds, end{cl, sum})
		cl.queued = false
		c.pending[i] = nil
	}
	c.pending, c.control = c.pending[:0], c.control[:0]
}

// writeSome hands out to the kernel as far as that takes it without waiting. rest: something is left in out.
func (c *conn) writeSome() (rest bool, err error) {
	for c.outAt < len(c.out) {
		c.takes = c.out[c.outAt]
		if err := c.raw.Write(c.write); err != nil {
			return true, err
		}
		if c.failure == syscall.EAGAIN {
			return true, nil
		}
		if c.failure != nil {
			return true, c.failure
		}
		c.client.bytesSent.Add(uint64(c.taken))
		c.outSent += c.taken
		if c.taken == len(c.takes) {
			c.outAt++
		} else {
			c.out[c.outAt] = c.takes[c.taken:]
		}
	}
	c.takes = nil
	return false, nil
}

// unsent makes the calls queued ones again whose frames the kernel has not taken whole: the daemon does nothing with a part of a frame.
func (c *conn) unsent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.outEnds {
		if e.at > c.outSent && c.has(e.call) {
			e.call.queued = true
		}
	}
}

// writeLoop waits where the kernel does not take bytes at once.
func (c *conn) writeLoop() {
	defer close(c.written)
	for {
		select {
		case <-c.wake:
		case <-c.session.over:
			return
		}
		for _, b := range c.out[c.outAt:] {
			n, err := c.socket.Write(b)
			c.client.bytesSent.Add(uint64(n))
			c.outSent += n
			if err != nil {
				c.unsent()
				c.client.lose(c.session, err)
				break
			}
		}
		c.mu.Lock()
		c.out, c.outAt = nil, 0
		c.writing, c.handed = false, false
		c.mu.Unlock()
		c.flush(nil)
	}
}

// withdraw takes a call back whose caller waits no longer. gone: the connection has it still, and recycles it.
func (c *conn) withdraw(cl *call) (withdrawn, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.has(cl) {
		return false, false
	}
	if cl.queued && cl.number == 0 {
		c.unqueue(cl)
		return true, false
	}
	if cl.isRead {
		cl.abandoned = true
		return true, true
	}
	return false, false
}

// cancel ends a stream early.
func (c *conn) cancel(cl *call) {
	ended := false
	c.mu.Lock()
	switch {
	case c.dead || c.lookup(cl.id) != cl:
	case cl.queued:
		c.unqueue(cl)
		ended = true
	default:
		c.control = encodeCancel(c.control, cl.id)
	}
	c.mu.Unlock()
	if ended {
		c.client.streamEnds(cl.stream)
	}
	c.flush(nil)
}

// unqueue takes a call back that was not handed to the kernel. Under the lock.
func (c *conn) unqueue(cl *call) {
	c.pending = slices.DeleteFunc(c.pending, func(p *call) bool { return p == cl })
	c.remove(cl)
}

// kill lets nothing be sent any more.
func (c *conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
}

// drain lets nothing be sent any more, gives the calls back that were not sent, and returns a channel that is closed when the others are
// answered. It is called once.
func (c *conn) drain() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	for _, cl := range c.pending {
		c.remove(cl)
		if !cl.own { // else the supervisor learns of the session's end
			cl.outcome = outcomeAgain
			cl.wake()
		}
	}
	c.pending = nil
	if c.inFlight == 0 {
		close(c.drained)
		return c.drained
	}
	c.draining = true
	if !c.reading {
		c.reading = true
		c.turn <- struct{}{}
	}
	return c.drained
}

// awaitCallers lets a caller that is in the kernel come out, where it does not wait. Under the lock, which it gives up meanwhile; the
// connection is dead.
func (c *conn) awaitCallers() {
	for c.writing && !c.handed {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
}

// unanswered takes all calls that were not answered. Reader and writer have ended.
func (c *conn) unanswered() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaitCallers()
	var calls []*call
	for i := range c.slots {
		if cl := c.slots[i].call; cl != nil {
			calls = append(calls, cl)
			c.slots[i].call = nil
		}
	}
	c.pending = nil
	return calls
}
