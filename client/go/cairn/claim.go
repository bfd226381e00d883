package cairn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ClaimOptions says how to claim a chain.
type ClaimOptions struct {
	WriterName string // for people who find the chain claimed, 1 to 64 bytes; empty: the client's name
	TakeOver   bool   // also from one who holds it, if that is of the same uid or this user is an admin
	Wait       bool   // while another holds it, wait until the context ends instead of failing with ErrClaimed at once
}

// Epoch is what a claim is known by. It holds secret bits as well, which are not shown.
type Epoch struct {
	Sequence uint64 // the claim's number
	random   uint64
}

// String gives the claim's number, so that no log that is told of an Epoch has the secret bits.
func (e Epoch) String() string {
	return strconv.FormatUint(e.Sequence, 10)
}

// GoString is String for %#v.
func (e Epoch) GoString() string {
	return "cairn.Epoch{Sequence:" + e.String() + "}"
}

// Claim makes this client the chain's one writer, until it is released or another takes it over. While it holds, what this
// client writes to the chain happens once, whatever happens to the daemon.
//
// A claim is renewed by the client on each connection. When another took it over, Lost is closed, and this client's writes
// to the chain fail with ErrClaimed, until Release was called or the chain claimed anew.
type Claim struct {
	chain   *Chain
	epoch   Epoch
	lost    chan struct{} // made by a goroutine of the client
	watch   watch
	present *call // presents it on the connection for metadata, in the session in which it was granted

	// Numbers are given in the order of sending, under mu. The daemon applies a write only if it has the next number, so
	// one that is refused makes it refuse those behind it, which are sent again when all are answered: until then, none is sent.
	mu       sync.Mutex
	why      *Error // why it is lost; nil: it is not
	last     uint64 // the last number that is known to be applied
	next     uint64 // the number of the next write
	inFlight int
	settling bool    // a write was refused
	refused  bool    // for another reason than its number
	waiters  waiters // to be sent
}

func newClaim() *Claim { return &Claim{lost: make(chan struct{})} }

// Chain returns the chain that is claimed.
func (c *Claim) Chain() *Chain { return c.chain }

// Epoch returns what the claim is known by.
func (c *Claim) Epoch() Epoch { return c.epoch }

// Lost returns a channel that is closed when the claim is known to be lost: another took it over, this client claimed the chain anew, an
// operator released it, the chain was dropped, the store was changed, or the client was closed. Release closes it only if it fails.
func (c *Claim) Lost() <-chan struct{} { return c.lost }

// Holds tells, without asking the daemon, whether the claim holds: ok is true if no other writer has been let in since the
// claim, as of now. generation changes whenever the client connected again; what was cached under another one is void.
func (c *Claim) Holds() (generation uint64, ok bool) {
	settled := &c.chain.client.settled
	generation = settled.Load()
	return generation, generation%2 == 0 && c.watch.holds() && settled.Load() == generation
}

// openWatch lets Holds see from here on. Without a watch it says no, which costs its callers their caches and nothing else. So nobody
// waits for it longer than for the rest: it is given up when the context ends, the session is lost, or the client is to end.
func (c *Claim) openWatch(w waiting, s *session) {
	client := c.chain.client
	givesUp := func() bool { return w.isOver() || isClosed(s.lost) || isClosed(client.stopping) }
	if err := c.watch.open(client.options.Socket, client.options.Name, c.chain.name, c.epoch, givesUp); err != nil {
		client.log.Warn("cairn: the claim is not watched", "chain", c.chain.name, "error", err)
	}
}

// claimRetryPause is how long Claim waits before it asks again for a chain that another holds.
const claimRetryPause = 100 * time.Millisecond

// Claim makes this client the chain's one writer. ErrClaimed: another holds it; the text names who. Claim before writing: what
// other goroutines of this client write to the chain during the call may be refused.
func (ch *Chain) Claim(ctx context.Context, options ClaimOptions) (*Claim, error) {
	if options.WriterName == "" {
		options.WriterName = ch.client.options.Name
	}
	w := waitingFor(ctx)
	var refused error // the last refusal
	for {
		claim, err := ch.claimOnce(w, options)
		if refused != nil && err != nil && w.isOver() && !errors.Is(err, ErrClaimed) {
			return nil, fmt.Errorf("%w: %w", err, refused)
		}
		if err == nil || !options.Wait || !errors.Is(err, ErrClaimed) {
			return claim, err
		}
		if ctx != nil && ctx.Err() != nil { // it has ended, or was over when the call came: one try
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		if refused == nil {
			ch.client.log.Warn("cairn: waiting for the holder of a chain to go", "chain", ch.name, "reason", err)
		}
		refused = err
		timer := time.NewTimer(claimRetryPause)
		select {
		case <-timer.C:
		case <-w.done:
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", w.ctx.Err(), err)
		}
	}
}

func (ch *Chain) claimOnce(w waiting, options ClaimOptions) (*Claim, error) {
	c := ch.client
	ch.holdNumbers()
	defer ch.giveNumbers()
	for takeOver := options.TakeOver; ; takeOver = true {
		cl := c.newCall(frameClaim)
		cl.again, cl.chain, cl.features = true, ch, featureClaims
		select {
		case cl.newClaim = <-c.freshClaims:
		case <-c.ended:
			cl.recycle()
			return nil, ErrClosed
		}
		claim := cl.newClaim
		claim.chain = ch
		cl.frame = encodeClaim(cl.frame, ch.name, options.WriterName, takeOver)
		before := c.reconnects.Load()
		err := c.doWaiting(w, cl, commits)
		if err == nil {
			s := cl.conn.session
			cl.recycle()
			return claim, c.presentClaim(w, claim, s)
		}
		// A claim whose answer was lost may have been granted, and stand in its own way now.
		if takeOver || !errors.Is(err, ErrClaimed) || c.reconnects.Load() == before || !ch.claimedBy(w, options.WriterName) {
			return nil, err
		}
	}
}

// holdNumbers lets no numbered write go out until giveNumbers. One behind a Claim would be judged under the epoch that this
// gives, whose numbers begin anew: a later write with the same number would be taken for it.
func (ch *Chain) holdNumbers() {
	ch.claiming.Add(1)
	if claim := ch.claim.Load(); claim != nil {
		claim.mu.Lock() // who has it has not seen the count
		claim.mu.Unlock()
	}
}

func (ch *Chain) giveNumbers() {
	ch.claiming.Add(-1)
	if claim := ch.claim.Load(); claim != nil {
		claim.mu.Lock()
		defer claim.mu.Unlock()
		claim.waiters.wake()
	}
}

// claimedBy tells whether the chain's claim is of this process, under that name.
func (ch *Chain) claimedBy(w waiting, writer string) bool {
	chains, err := ch.client.listChains(w)
	return err == nil && slices.ContainsFunc(chains, func(info ChainInfo) bool {
		return info.Name == ch.name && info.Claim != nil && info.Claim.Writer == writer && int(info.Claim.PID) == os.Getpid()
	})
}

// claimed brings a claim that was granted into force. The reader calls it, so that no connection is lost between.
func (c *Client) claimed(cl *call) {
	epoch, ok := decodeClaim(cl.reply)
	if !ok {
		c.malformed(cl)
		return
	}
	claim := cl.newClaim
	claim.epoch = epoch
	claim.next = 1
	claim.present = newCall()
	claim.present.kind, claim.present.own, claim.present.track = framePresent, true, newTracker(1)
	claim.present.frame = encodePresent(claim.present.frame, claim.chain.name, epoch, false)
	cl.conn.session.conns[metadata].send(claim.present) // before any write under it
	before := claim.chain.claim.Swap(claim)
	c.mu.Lock()
	c.claims = append(c.claims, claim)
	c.mu.Unlock()
	if before != nil {
		c.loseClaim(before, &Error{Op: "claim", Status: StatusConflict, Reason: ReasonClaimed, Text: "this client claimed the chain anew"})
	}
}

// presentClaim waits until a new claim is presented on the connection for metadata. If that is lost, or the daemon refuses for now, the
// supervisor presents it.
func (c *Client) presentClaim(w waiting, claim *Claim, s *session) error {
	cl := claim.present
	select {
	case <-cl.track.done:
	case <-s.lost:
		return nil
	}
	if cl.status == StatusOK {
		claim.openWatch(w, s)
		return nil
	}
	e, _ := decodeError(cl.reply)
	e.Op, e.Status = "present", cl.status
	if refusedForNow(e.Status) {
		c.lose(s, &e) // the claim is granted; the supervisor presents it until it is taken
		return nil
	}
	if e.Status == StatusConflict {
		c.loseClaim(claim, &e)
	}
	return &e
}

// loseClaim ends a claim that another replaced or released. The first reason counts. Whoever is told of the loss finds Lost closed.
func (c *Client) loseClaim(claim *Claim, why *Error) {
	claim.watch.end()
	claim.mu.Lock()
	first := claim.why == nil
	if first {
		claim.why = why
		close(claim.lost)
		claim.waiters.wake()
	}
	claim.mu.Unlock()
	if !first {
		return
	}
	c.mu.Lock()
	c.claims = slices.DeleteFunc(c.claims, func(other *Claim) bool { return other == claim })
	c.mu.Unlock()
	c.claimsLost.Add(1)
	if why.cause == nil {
		c.log.Warn("cairn: claim lost", "chain", claim.chain.name, "claim", claim.epoch.Sequence, "reason", why.Text)
	}
}

// lostError gives the error of a write under a claim that is lost; nil if it is not.
func (c *Claim) lostError(kind frameType) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		return nil
	}
	e := *c.why
	e.Op, e.Unknown = frameNames[kind], false
	if e.cause == nil {
		e.Status, e.Reason = StatusConflict, ReasonClaimed
		e.Text = "this client's claim of the chain is lost: " + e.Text
	}
	return &e
}

// Release ends the claim, durably. Releasing what is released or lost is no error. If the context ends before the daemon answers, the
// error says so, and the client gives the claim up all the same: it does not present it any more, so that the daemon's claim_grace ends it.
func (c *Claim) Release(ctx context.Context) error {
	client, w := c.chain.client, waitingFor(ctx)
	if c.chain.claim.Load() != c {
		return nil
	}
	var err error
	if c.lostError(frameRelease) == nil {
		cl := client.newCall(frameRelease)
		cl.again = true
		cl.frame = encodeChainOnly(cl.frame, frameRelease, c.chain.name)
		err = client.doWaiting(w, cl, commits)
		switch {
		case err == nil:
			cl.recycle()
		case errors.Is(err, ErrClaimed):
			err = nil
		case !w.isOver():
			return err
		default:
			client.loseClaim(c, &Error{Op: "claim", Unknown: true, Text: "it was given up: " + err.Error()})
		}
	}
	c.watch.end()
	client.forgetClaim(c)
	return err
}

// forgetClaim lets the chain be written without the claim. A connection that presented an epoch is held to it for ever, so
// the connections are made anew.
func (c *Client) forgetClaim(claim *Claim) {
	if !claim.chain.claim.CompareAndSwap(claim, nil) {
		return
	}
	c.mu.Lock()
	c.claims = slices.DeleteFunc(c.claims, func(other *Claim) bool { return other == claim })
	c.mu.Unlock()
	claim.mu.Lock()
	claim.waiters.wake()
	claim.mu.Unlock()
	if s := c.writeSession.Load(); s != nil {
		c.lose(s, errRefresh)
	}
}

// sendNumbered gives a write the next number and sends it. sent is false, without an error, if the connection is dead.
func (c *Claim) sendNumbered(w waiting, over *conn, cl *call) (sent bool, err error) {
	c.mu.Lock()
	for c.why == nil && c.chain.claim.Load() == c && (c.settling || c.chain.claiming.Load() > 0) {
		c.waiters.add(cl)
		c.mu.Unlock()
		if err := c.waiters.wait(&c.mu, w, cl); err != nil {
			return false, err
		}
		c.mu.Lock()
	}
	if c.why == nil && c.chain.claim.Load() == c { // else the next attempt says why, or is under another claim
		cl.frame = setNumber(cl.frame, cl.kind, cl.bare, c.next)
		cl.setDeadline(w)
		cl.number = c.next
		if sent = over.queue(cl, false); sent {
			c.next++
			c.inFlight++
		}
	}
	c.mu.Unlock()
	if sent {
		over.flush(cl)
	}
	return sent, nil
}

// answered counts the answer to a numbered write. Its caller has not been woken.
func (c *Claim) answered(cl *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	switch {
	case cl.status == StatusOK:
		c.last = max(c.last, cl.number)
	case cl.status == StatusConflict && cl.numberRefused():
		c.settling = true
	default:
		c.settling, c.refused = true, true
	}
	if !c.settling || c.inFlight > 0 {
		return
	}
	if !c.refused { // the daemon counts otherwise: presenting tells
		c.inFlight++
		cl.conn.client.lose(cl.conn.session, errors.New("the daemon refuses the numbers of a claim"))
		return
	}
	c.next = c.last + 1
	c.settling, c.refused = false, false
	c.waiters.wake()
}

func (cl *call) numberRefused() bool {
	e, ok := decodeError(cl.reply)
	return ok && e.Reason == ReasonNumber
}

// renumber tells whether a call was refused only because one before it was, and is to be sent again.
func (cl *call) renumber() bool {
	return cl.number != 0 && cl.status == StatusConflict && cl.numberRefused()
}

// presented takes the last number that the daemon applied.
func (c *Claim) presented(last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.next, c.inFlight = last, last+1, 0
	c.settling, c.refused = true, false // nobody sends before resume
}

// decide tells whether a call that was sent under the claim and not answered is to be sent again; if not, it has its outcome.
func (c *Claim) decide(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, known := c.last, c.why == nil
	if c.why != nil && c.why.hasLastNumber {
		last, known = c.why.LastNumber, true
	}
	switch {
	case cl.number != 0 && known && cl.number <= last, cl.onDisk && c.why == nil: // presenting has synced it
		cl.outcome, cl.status = outcomeAnswered, StatusOK
		cl.reply = appendTrueIf(appendUint(cl.reply[:0], 2, uint64(LevelDurable)), 9, true)
		return false
	case c.why != nil:
		e := *c.why
		e.Op, e.Status, e.Reason = frameNames[cl.kind], StatusConflict, ReasonClaimed
		e.Unknown = cl.number == 0 || !known
		e.Text = "the connection was lost before the answer came, and then the claim: " + e.Text
		cl.outcome, cl.failure = outcomeFailed, &e
		return false
	case cl.number != 0:
		cl.number = c.next
		cl.frame = setNumber(cl.frame, cl.kind, cl.bare, c.next)
		c.next++
		c.inFlight++
	default:
		cl.plain()
	}
	return true
}

// resume lets writes be sent again.
func (c *Claim) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settling = false
	c.waiters.wake()
}
