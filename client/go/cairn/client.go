package cairn

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultSocket is where cairnd listens unless its configuration says otherwise.
const DefaultSocket = "/run/cairn/cairnd.sock"

// Options says how to open a client. The zero value is good.
type Options struct {
	Socket string       // path of the daemon's socket; empty: DefaultSocket
	Name   string       // of this client, for the daemon's log, at most 64 bytes; empty: the program's
	Logger *slog.Logger // told of lost and new connections, claims waited for and lost, and writes that could not be sent again; nil: none
}

// Client is a process's access to a daemon. Make it with [Open].
type Client struct {
	options     Options
	log         *slog.Logger
	freshCalls  chan *call    // made by a goroutine of the client, see call
	freshClaims chan *Claim   // likewise
	crowd       chan struct{} // of one place: somebody waits for room for a stream
	stopping    chan struct{}
	hung        chan struct{} // closed when Close has waited for the daemon for long enough
	ended       chan struct{} // closed when the client's goroutines have ended

	// The session for reads, and that for writes: it is there once everything was sent again. Nil while there is none.
	readSession  atomic.Pointer[session]
	writeSession atomic.Pointer[session]
	daemon       atomic.Pointer[helloReply]
	settled      atomic.Uint64 // odd from the loss of a session until all was sent again
	stamps       atomic.Uint64 // of writes, in the order in which they were sent
	keep         keep

	bytesSent, bytesRead                     atomic.Uint64
	requests, resent, reconnects, claimsLost atomic.Uint64

	closed        atomic.Bool // calls fail with ErrClosed
	mu            sync.Mutex
	final         error                 // why no session will come any more
	waiters       waiters               // for a session to read or to write
	dialFailed    atomic.Pointer[error] // why the last attempt to connect failed; nil: it did not
	chains        map[string]*Chain
	claims        []*Claim             // that are held
	streams       map[*stream]struct{} // that are open
	streamClock   atomic.Uint64        // see clockTick
	streamWaiters waiters              // for room for one more
	dropped       int                  // accepted writes that were lost and refused when they were sent again
	report        error                // of these, for the next barrier

	// Of the supervisor
	left      []*call     // unanswered, to be sent again
	resending []*call     // of lostKept, being sent again
	lostKept  []keptWrite // lost with a run, to be sent again
}

// What a frame may gain when it is sent: the number of a write and its deadline, or the number under which metadata was accepted.
const frameMarginBytes = 24

const openLimit = 10 * time.Second

// Open connects to the daemon. If none listens, or it is just starting, Open tries again for up to 10 seconds, or until ctx ends.
// It starts the client's few goroutines; Close ends them.
func Open(ctx context.Context, options Options) (*Client, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if options.Socket == "" {
		options.Socket = DefaultSocket
	}
	if options.Name == "" {
		options.Name = filepath.Base(os.Args[0])
		options.Name = options.Name[:min(len(options.Name), 64)]
	}
	c := &Client{
		options:     options,
		log:         options.Logger,
		freshCalls:  make(chan *call),
		freshClaims: make(chan *Claim),
		crowd:       make(chan struct{}, 1),
		stopping:    make(chan struct{}),
		hung:        make(chan struct{}),
		ended:       make(chan struct{}),
		chains:      map[string]*Chain{},
		streams:     map[*stream]struct{}{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.settled.Store(1)
	limit, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s, err := c.dialUntil(limit.Done(), resume{}, true)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return nil, fmt.Errorf("cairn: open %s: %w", options.Socket, err)
	}
	go c.make()
	go c.supervise(s)
	cl := c.newCall(frameHello)
	_, err = c.sessionFor(waitingFor(ctx), cl, true)
	cl.recycle()
	if err != nil {
		close(c.stopping)
		<-c.ended
		return nil, err
	}
	return c, nil
}

// make makes what callers in a synctest bubble must not make themselves, and keeps the time for them.
func (c *Client) make() {
	cl, claim := newCall(), newClaim()
	var tick <-chan time.Time
	for {
		select {
		case c.freshCalls <- cl:
			cl = newCall()
		case c.freshClaims <- claim:
			claim = newClaim()
		case <-c.crowd:
			if tick == nil {
				tick = time.After(crowdedTick)
			}
		case <-tick:
			tick = nil
			if c.crowded() {
				tick = time.After(crowdedTick)
			}
		case <-c.ended:
			return
		}
	}
}

// Chain returns the chain of that name, without asking the daemon: reads and writes of a chain that does not exist are
// ErrInvalid. It returns the same value for the same name.
func (c *Client) Chain(name string) *Chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.chains[name]
	if ch == nil {
		ch = &Chain{client: c, name: name}
		c.chains[name] = ch
	}
	return ch
}

// CreateChain makes a chain, durably. A name has 1 to 64 of a-z 0-9 . _ -. If the chain exists, created is false and
// nothing is changed. It is sent again after a lost connection; then created may be false for a chain that it made.
func (c *Client) CreateChain(ctx context.Context, name string) (created bool, err error) {
	cl := c.newCall(frameCreateChain)
	cl.again = true
	cl.frame = encodeChainOnly(cl.frame, frameCreateChain, name)
	if err := c.do(ctx, cl, commits); err != nil {
		return false, err
	}
	defer cl.recycle()
	_, created, ok := decodeWriteReply(cl.reply)
	if !ok {
		return false, c.malformed(cl)
	}
	return created, nil
}

// DropChain drops a chain with all that is in it, durably; the chain "default" is empty afterwards. This client's claim of it
// is lost. ErrInvalid: there is no such chain.
func (c *Client) DropChain(ctx context.Context, name string) error {
	ch := c.Chain(name)
	cl := c.newCall(frameDropChain)
	cl.chain = ch
	cl.frame = encodeChainOnly(cl.frame, frameDropChain, name)
	if err := c.do(ctx, cl, commits); err != nil {
		return err
	}
	cl.recycle()
	if claim := ch.claim.Load(); claim != nil {
		c.loseClaim(claim, &Error{Op: "drop chain", Status: StatusConflict, Reason: ReasonDropped, Text: "the chain was dropped"})
		c.forgetClaim(claim)
	}
	return nil
}

// Chains tells of all chains, in the order of their names.
func (c *Client) Chains(ctx context.Context) ([]ChainInfo, error) {
	return c.listChains(waitingFor(ctx))
}

func (c *Client) listChains(w waiting) ([]ChainInfo, error) {
	cl := c.newCall(frameChains)
	cl.isRead = true
	cl.frame = encodeEmpty(cl.frame, frameChains)
	if err := c.doWaiting(w, cl, reads); err != nil {
		return nil, err
	}
	defer cl.recycle()
	chains, ok := decodeChains(cl.reply)
	if !ok {
		return nil, c.malformed(cl)
	}
	return chains, nil
}

// Barrier returns once everything that was accepted before, by anyone, has reached the level. LevelDefault is durable. It
// also returns, once, an error if something that this client had been told was accepted was lost with the daemon and could
// not be sent again, or if raises were left out (ErrDamaged).
func (c *Client) Barrier(ctx context.Context, level Level) error {
	return c.barrier(waitingFor(ctx), level, false)
}

// barrier is for Close, too, which lets no other call in.
func (c *Client) barrier(w waiting, level Level, closing bool) error {
	cl := c.newCall(frameBarrier)
	cl.isRead = true // it changes nothing
	cl.closing = closing
	cl.frame = encodeBarrier(cl.frame, level)
	if err := c.doWaiting(w, cl, commits); err != nil {
		return err
	}
	cl.recycle()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.report
	c.report = nil
	return err
}

// Status gives the daemon's status page.
func (c *Client) Status(ctx context.Context) ([]StatusEntry, error) {
	cl := c.newCall(frameStatus)
	cl.isRead = true
	cl.frame = encodeEmpty(cl.frame, frameStatus)
	if err := c.do(ctx, cl, reads); err != nil {
		return nil, err
	}
	defer cl.recycle()
	entries, ok := decodeStatus(cl.reply)
	if !ok {
		return nil, c.malformed(cl)
	}
	return entries, nil
}

// Limits returns the daemon's bounds, as of the last connection. No I/O.
func (c *Client) Limits() Limits { return c.daemon.Load().limits }

// Daemon returns what the daemon told of itself when the client connected last. No I/O.
func (c *Client) Daemon() DaemonInfo {
	h := c.daemon.Load()
	return DaemonInfo{Version: h.daemonVersion, StoreID: h.storeID, Run: h.run, Features: h.features, Limits: h.limits}
}

// Stats counts what a client did since it was opened.
type Stats struct {
	Connected   bool   // now
	Reconnects  uint64 // times that all connections were made anew
	Requests    uint64 // that calls made; one that is sent again counts once
	Resent      uint64 // times that a write was sent again
	Dropped     uint64 // accepted writes that were lost with a daemon, and refused when they were sent again or not sent to another store
	KeptWrites  uint64 // now: accepted writes that are not known to be written, those included that wait to be sent again
	KeptBytes   uint64 // now: of these, with what they take in memory
	ClaimsLost  uint64 // those whose Lost is closed
	BytesSent   uint64 // with all that is sent again, but for the connections that watch claims
	BytesRead   uint64 // likewise
	OpenStreams uint64 // now: lists and the like that the daemon has not ended
}

// Stats returns the client's counts. No I/O.
func (c *Client) Stats() Stats {
	writes, bytes := c.keep.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Connected:   c.readSession.Load() != nil,
		Reconnects:  c.reconnects.Load(),
		Requests:    c.requests.Load(),
		Resent:      c.resent.Load(),
		Dropped:     uint64(c.dropped),
		KeptWrites:  uint64(writes),
		KeptBytes:   uint64(bytes),
		ClaimsLost:  c.claimsLost.Load(),
		BytesSent:   c.bytesSent.Load(),
		BytesRead:   c.bytesRead.Load(),
		OpenStreams: uint64(len(c.streams)),
	}
}

// sessionFor returns a session for the call, and waits for one if there is none.
func (c *Client) sessionFor(w waiting, cl *call, write bool) (*session, error) {
	if w.isOver() {
		return nil, fmt.Errorf("cairn: %s: %w: not sent", frameNames[cl.kind], w.ctx.Err())
	}
	current := &c.readSession
	if write {
		current = &c.writeSession
	}
	for {
		if s := current.Load(); s != nil && (cl.closing || !c.closed.Load()) {
			return s, nil
		}
		c.mu.Lock()
		switch {
		case c.final != nil:
			c.mu.Unlock()
			return nil, c.final
		case c.closed.Load() && !cl.closing:
			c.mu.Unlock()
			return nil, ErrClosed
		}
		if s := current.Load(); s != nil {
			c.mu.Unlock()
			return s, nil
		}
		c.waiters.add(cl)
		c.mu.Unlock()
		if err := c.waiters.wait(&c.mu, w, cl); err != nil {
			return nil, c.away(cl, err)
		}
	}
}

// away wraps the end of a call's context while there is no daemon to send it to.
func (c *Client) away(cl *call, err error) error {
	why := "it is being connected to"
	if failed := c.dialFailed.Load(); failed != nil {
		why = (*failed).Error()
	}
	return fmt.Errorf("cairn: %s: %w: not sent, the daemon at %s does not answer: %s", frameNames[cl.kind], err, c.options.Socket, why)
}

// do sends a call, again if need be, and waits for its answer. Without an error the reply is in the call, for the caller to recycle;
// with one it is recycled. A context that ends between two attempts ends the call, too.
func (c *Client) do(ctx context.Context, cl *call, over connKind) error {
	return c.doWaiting(waitingFor(ctx), cl, over)
}

// doWaiting is do for a call that is one of several with one context.
func (c *Client) doWaiting(w waiting, cl *call, over connKind) error {
	c.requests.Add(1)
	mayBeApplied := false // by an attempt before
	for {
		s, err := c.sessionFor(w, cl, over != reads)
		if err == nil {
			err = c.fits(s, cl)
		}
		if err != nil {
			if mayBeApplied {
				err = &Error{Op: frameNames[cl.kind], Unknown: true, Text: "it was sent and not answered, and not sent again: " + err.Error(), cause: err}
			}
			cl.recycle()
			return err
		}
		cl.leads = w.mayRead()
		sent, err := c.send(w, s.conns[over], cl)
		if err != nil {
			cl.recycle()
			return err
		}
		if !sent {
			continue
		}
		if gone, err := cl.wait(w, s.conns[over]); err != nil {
			if !gone {
				cl.recycle()
			}
			return err
		}
		switch {
		case cl.outcome == outcomeAgain:
			cl.ownFrame()
			if !cl.isRead && !cl.queued {
				c.resent.Add(1)
				mayBeApplied = mayBeApplied || cl.status != StatusShuttingDown
			}
			continue
		case cl.outcome == outcomeFailed:
			err := cl.failure
			cl.recycle()
			return err
		case cl.status != StatusOK:
			if cl.renumber() {
				cl.ownFrame()
				c.resent.Add(1)
				continue
			}
			err := cl.error()
			cl.recycle()
			return err
		}
		return nil
	}
}

// send sends a call under the chain's claim, if it is a write and there is one.
func (c *Client) send(w waiting, over *conn, cl *call) (sent bool, err error) {
	if cl.isRead {
		return over.send(cl), nil
	}
	cl.plain()
	if cl.chain == nil {
		cl.setDeadline(w)
		return over.send(cl), nil
	}
	cl.claim = cl.chain.claim.Load()
	if cl.claim == nil || cl.kind == frameClaim {
		cl.setDeadline(w)
		return over.send(cl), nil
	}
	if err := cl.claim.lostError(cl.kind); err != nil {
		return false, err
	}
	if cl.bare != 0 {
		return cl.claim.sendNumbered(w, over, cl)
	}
	cl.setDeadline(w)
	return over.send(cl), nil
}

// plain makes the frame of a write what it was before an attempt gave it a number and a deadline.
func (cl *call) plain() {
	if cl.base == 0 {
		cl.base = len(cl.frame)
	}
	cl.number = 0
	if len(cl.frame) > cl.base {
		cl.frame = cl.frame[:cl.base]
		endFrame(cl.frame)
	}
}

// setDeadline tells the daemon until when the write is of use, so that one that waits for room then is refused, and not applied
// when nobody waits for it any more. What is sent again for a call has none: it was in time.
func (cl *call) setDeadline(w waiting) {
	field := deadlineField(cl.kind)
	if w.ctx == nil || field == 0 {
		return
	}
	if at, ok := w.ctx.Deadline(); ok {
		cl.frame = appendUint(cl.frame, field, uint64(max(time.Until(at).Microseconds(), 1)))
		endFrame(cl.frame)
	}
}

// fits tells whether a daemon with these bounds and features takes the frame.
func (c *Client) fits(s *session, cl *call) error {
	limits := &s.hello.limits
	if n := uint64(len(cl.frame) - requestHeaderBytes); n+frameMarginBytes > limits.FrameBytesMax {
		return tooLarge(cl.kind, n, limits.FrameBytesMax)
	}
	if missing := cl.features &^ s.hello.features; missing != 0 {
		return &Error{Op: frameNames[cl.kind], Status: StatusUnsupported,
			Text: fmt.Sprintf("the daemon (%s) has not the feature bits %#x that this needs; use a newer one", s.hello.daemonVersion, missing)}
	}
	return nil
}

func tooLarge(kind frameType, bytes, bound uint64) error {
	return &Error{Op: frameNames[kind], Status: StatusTooLarge,
		Text: fmt.Sprintf("its frame of %d bytes is above the daemon's frame_bytes_max of %d; "+
			"start cairnd with a greater --frame-bytes-max (and --requests-bytes-max of at least twice that)", bytes, bound)}
}

// error gives the error of a call that was answered with another status than OK.
func (cl *call) error() error {
	if e := notFound[cl.kind]; e != nil && cl.status == StatusNotFound {
		return e
	}
	e, _ := decodeError(cl.reply)
	e.Op, e.Status = frameNames[cl.kind], cl.status
	if !cl.isRead {
		e.Unknown = cl.status == StatusIOError || int(cl.status) >= len(statusErrors) || (cl.track != nil && cl.number == 0)
	}
	return &e
}

// malformed gives the error of a reply that does not decode, and ends the session.
func (c *Client) malformed(cl *call) error {
	err := &Error{Op: frameNames[cl.kind], Status: StatusIOError, Unknown: !cl.isRead, Text: "the daemon's reply does not decode"}
	if cl.conn != nil {
		c.lose(cl.conn.session, err)
	}
	return err
}
