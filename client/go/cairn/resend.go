package cairn

import (
	"slices"
	"sync/atomic"
	"time"
)

// Sending again what a lost session left: accepted metadata that the new run did not find on disk, under the number that it had,
// and what was sent under a claim and not answered.
//
// A numbered write that the claim's last number shows to be applied is done. The others were not applied and never will be,
// since all that a connection had sent has come to its end before a later hello of its process is answered: they get the
// numbers that are next, in their order.
//
// Metadata that was not answered has no number. If some that was sent later is on disk, so is this: it is not sent again, or it would
// come behind that. Else it may be applied twice; the values that result are the same, for only this client writes to the chain, and
// what it was told of that is newer is sent again behind it. That leaves commits, which are on another connection. A run that goes on
// has what it accepted, and nothing of it is sent again: so all of that has to be on disk first.

// tracker counts the answers to what is sent again.
type tracker struct {
	left atomic.Int64
	done chan struct{}
}

func newTracker(n int) *tracker {
	t := &tracker{done: make(chan struct{})}
	t.left.Store(int64(n))
	return t
}

func (t *tracker) one() {
	if t.left.Add(-1) == 0 {
		close(t.done)
	}
}

// resend sends all of it, in the order in which it was sent first, and waits for the answers. False: the session was lost.
func (c *Client) resend(s *session) bool {
	calls := c.decideLeft()
	for {
		c.resending = nil
		for i := range c.lostKept {
			w := &c.lostKept[i]
			cl := newCall()
			cl.kind, cl.own, cl.kept, cl.stamp = frameWriteMetadata, true, w, w.stamp
			cl.frame = appendResendOf(append(cl.frame, w.frame...), w.number)
			c.resending = append(c.resending, cl)
		}
		calls = append(calls, c.resending...)
		if len(calls) == 0 {
			return true
		}
		byStamp(calls)
		c.log.Info("cairn: sending writes again", "run", s.hello.run, "writes", len(calls))
		c.resent.Add(uint64(len(calls)))
		if !c.sendAll(s, calls) {
			return false
		}
		c.keepLost()
		if len(c.lostKept) == 0 {
			return true
		}
		c.openReads(s)
		select {
		case <-time.After(resendPause):
		case <-s.lost:
			return false
		case <-c.stopping:
			return true
		}
		calls = nil
	}
}

// sendAll sends calls that have their stamps, and waits for the answers. A call that was sent is its caller's. False: the
// session was lost, or the client is to end; what was not answered comes back by windDown.
func (c *Client) sendAll(s *session, calls []*call) bool {
	all := newTracker(len(calls))
	for i, cl := range calls {
		cl.track = all
		if !s.conns[commits].queue(cl, true) {
			for _, cl := range calls[i:] {
				if !cl.own {
					c.left = append(c.left, cl)
				}
			}
			return false
		}
	}
	s.conns[commits].flush(nil)
	return c.await(s, all)
}

func byStamp(calls []*call) {
	slices.SortStableFunc(calls, func(a, b *call) int {
		switch {
		case a.stamp < b.stamp:
			return -1
		case a.stamp > b.stamp:
			return 1
		}
		return 0
	})
}

// decideLeft tells the callers of what is decided by the claims, and returns what is to be sent again.
func (c *Client) decideLeft() []*call {
	var send []*call
	for _, cl := range c.left {
		if cl.claim.decide(cl) {
			send = append(send, cl)
		} else {
			cl.wake()
		}
	}
	c.left = nil
	c.mu.Lock()
	claims := slices.Clone(c.claims)
	c.mu.Unlock()
	for _, claim := range claims {
		claim.resume()
	}
	return send
}

// markOnDisk marks the metadata that was not answered and is on disk, behind all that the daemon has accepted: it accepts what one
// connection sends in order, and writes it in that order, too. False: the session was lost.
func (c *Client) markOnDisk(s *session) bool {
	isUnnumbered := func(cl *call) bool { return cl.number == 0 }
	if !slices.ContainsFunc(c.left, isUnnumbered) {
		return true
	}
	// Not over the connection for commits, whose next barrier tells the caller what was left out.
	barrier := c.insist(s, reads, frameBarrier, func(b []byte) []byte { return encodeBarrier(b, LevelWritten) })
	if barrier == nil {
		return false
	}
	until := c.keep.writtenUntil()
	for _, cl := range c.left {
		cl.onDisk = cl.onDisk || (isUnnumbered(cl) && cl.stamp < until)
	}
	return true
}

// keepLost keeps, of the accepted writes that were sent again, all from the first one that was not accepted: so none is
// overtaken for good by one behind it. They were all answered, or the session is wound down.
func (c *Client) keepLost() {
	var lost []keptWrite
	for _, cl := range c.resending {
		if len(lost) == 0 && cl.answered {
			if cl.status == StatusOK {
				continue
			}
			if !refusedForNow(cl.status) {
				c.drop(cl)
				continue
			}
		}
		lost = append(lost, *cl.kept)
	}
	if c.resending != nil {
		c.lostKept, c.resending = lost, nil
	}
}

func refusedForNow(s Status) bool {
	switch s {
	case StatusBusy, StatusNoSpace, StatusShuttingDown, StatusPermission, StatusReadOnly, StatusIOError:
		return true
	}
	return false
}

// drop gives up an accepted write that was refused when it was sent again.
func (c *Client) drop(cl *call) {
	e, _ := decodeError(cl.reply)
	e.Op, e.Status = "write metadata, sent again", cl.status
	c.log.Error("cairn: an accepted write was lost with the daemon, and refused when it was sent again", "error", &e)
	c.keep.giveUp(cl.kept)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped++
	if c.report == nil {
		c.report = &e
	}
}
