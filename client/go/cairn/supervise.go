package cairn

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The supervisor is the one goroutine that makes sessions after the first, and brings each into use:
//
//  1. It winds the lost session down, and takes the calls that were not answered. Reads, and writes that were not sent, go
//     back to their callers, who send them again. Writes that were sent under a claim it keeps; other writes are unknown.
//  2. It connects, with the run before. Another store ends the client's work: nothing is sent to it.
//  3. It finds out which metadata that was not answered is on disk, and presents the epochs of the claims. What was applied under them
//     is known by that.
//  4. It sends again, over the connection for commits and in the order in which all was sent first: accepted metadata that
//     the run did not find on disk, and what was not answered under a claim. It waits for the answers.
//  5. Calls go on: they see what they saw before. Where the daemon refuses for now what is sent again, for want of space, say,
//     reads go on, and writes wait.
//
// When the session is lost on the way, it begins again with what is left.
func (c *Client) supervise(s *session) {
	defer close(c.ended)
	for s != nil {
		if c.bringUp(s) {
			select {
			case <-s.lost:
			case <-c.stopping:
				c.lose(s, ErrClosed)
			}
		}
		<-s.lost
		if !errors.Is(s.reason, ErrClosed) && !errors.Is(s.reason, errRefresh) {
			c.log.Warn("cairn: connection lost", "run", s.hello.run, "reason", s.reason)
		}
		c.sort(s.windDown())
		c.keepLost()
		s = c.again(&s.hello)
	}
}

// errRefresh is the reason of a session that the client ends itself, to have connections that presented nothing.
var errRefresh = errors.New("the connections are made anew")

// again makes the next session; nil when the client ends.
func (c *Client) again(before *helloReply) *session {
	s, err := c.dialUntil(c.stopping, resume{run: before.run, random: before.random}, false)
	select {
	case <-c.stopping:
		if s != nil {
			s.closeSockets()
		}
		c.finally(ErrClosed)
		return nil
	default:
	}
	if err != nil { // only a stop ends the dialing
		c.finally(ErrClosed)
		return nil
	}
	if s.changed(before) {
		s.closeSockets()
		c.log.Error("cairn: the socket serves another store; nothing is sent to it", "socket", c.options.Socket,
			"store", fmt.Sprintf("%x", s.hello.storeID), "run", s.hello.run)
		c.finally(ErrStoreChanged)
		<-c.stopping
		return nil
	}
	c.reconnects.Add(1)
	if s.hello.run != before.run {
		c.lostKept = append(c.keep.takeLost(s.hello.metadataOnDisk), c.lostKept...)
	}
	return s
}

// finally ends all calls and claims: no session will come any more.
func (c *Client) finally(reason error) {
	c.mu.Lock()
	c.final = reason
	c.waiters.wake()
	c.streamWaiters.wake()
	claims := slices.Clone(c.claims)
	if reason == ErrStoreChanged {
		kept, _ := c.keep.size()
		c.dropped += kept
		if c.dropped > 0 {
			c.report = &Error{Op: "reconnect", Unknown: true,
				Text: fmt.Sprintf("%d accepted writes may not be there: the socket serves another store", kept)}
		}
	}
	c.mu.Unlock()
	for _, claim := range claims {
		c.loseClaim(claim, &Error{Op: "claim", Text: reason.Error(), Unknown: true, cause: reason})
	}
	for _, cl := range c.left {
		cl.fail(&Error{Op: frameNames[cl.kind], Unknown: true, Text: "it was sent and not answered: " + reason.Error(), cause: reason})
	}
	c.left = nil
}

func (cl *call) fail(err error) {
	cl.outcome, cl.failure = outcomeFailed, err
	cl.wake()
}

// sort tells the callers of the calls that a lost session left, and keeps those that are sent again from here.
func (c *Client) sort(calls []*call) {
	for _, cl := range calls {
		switch {
		case cl.own:
		case cl.abandoned:
			cl.recycle()
		case cl.stream != nil:
			cl.stream.lose()
		case cl.isRead, cl.again, cl.queued && cl.track == nil: // one that is being sent again was sent before
			cl.outcome = outcomeAgain
			cl.wake()
		case cl.claim != nil && (cl.bare != 0 || cl.kind == frameWriteMetadata):
			c.left = append(c.left, cl)
		default:
			cl.fail(&Error{Op: frameNames[cl.kind], Unknown: true,
				Text: "the connection was lost before the answer came; read to find out whether it is applied"})
		}
	}
	byStamp(c.left)
}

// bringUp brings a session into use. False: it was lost meanwhile.
func (c *Client) bringUp(s *session) bool {
	c.keep.startRun()
	c.daemon.Store(&s.hello)
	for _, conn := range s.conns {
		conn.start()
	}
	if !c.markOnDisk(s) {
		return false
	}
	c.mu.Lock()
	claims := slices.Clone(c.claims)
	c.mu.Unlock()
	for _, claim := range claims {
		if !c.present(s, claim) {
			return false
		}
	}
	if !c.resend(s) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isLost.Load() {
		return false
	}
	c.readSession.Store(s)
	c.writeSession.Store(s)
	c.settled.Add(1)
	c.waiters.wake()
	return true
}

// openReads lets calls read.
func (c *Client) openReads(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.isLost.Load() {
		c.readSession.Store(s)
		c.waiters.wake()
	}
}

// ask sends a request of the supervisor's own, and waits for its answer. Nil: the session was lost, or the client is to end.
func (c *Client) ask(s *session, over connKind, cl *call) *call {
	cl.track = newTracker(1)
	if !s.conns[over].send(cl) {
		return nil
	}
	if !c.await(s, cl.track) {
		return nil
	}
	return cl
}

// await waits for answers. False: the session was lost, or the client is to end.
func (c *Client) await(s *session, answers *tracker) bool {
	select {
	case <-answers.done:
		return true
	case <-s.lost:
	case <-c.stopping:
		c.lose(s, ErrClosed)
	}
	return false
}

// present presents a claim's epoch on the connections that write. A claim that was replaced or released is lost by that, and
// one that this daemon knows nothing of. While the daemon refuses for now, reads go on. False: the session was lost.
func (c *Client) present(s *session, claim *Claim) bool {
	if s.hello.features&featureClaims == 0 {
		c.loseClaim(claim, &Error{Op: "present", Status: StatusUnsupported,
			Text: fmt.Sprintf("the daemon (%s) has no claims; use a newer one", s.hello.daemonVersion)})
		return true
	}
	for _, over := range []connKind{commits, metadata} {
		cl := c.presentOver(s, claim, over)
		if cl == nil {
			return false
		}
		if cl.status != StatusOK {
			e, _ := decodeError(cl.reply)
			e.Op, e.Status = "present", cl.status
			c.loseClaim(claim, &e)
			return true
		}
		if over != commits {
			continue
		}
		last, ok := decodeUint(cl.reply, 3)
		if !ok {
			c.malformed(cl)
			return false
		}
		claim.presented(last)
	}
	claim.openWatch(waiting{}, s)
	return true
}

// presentOver returns an answer that is no refusal for now. Nil: the session was lost.
func (c *Client) presentOver(s *session, claim *Claim, over connKind) *call {
	return c.insist(s, over, framePresent, func(b []byte) []byte {
		return encodePresent(b, claim.chain.name, claim.epoch, over == commits)
	})
}

// insist asks until the answer is no refusal for now. Meanwhile reads go on. Nil: the session was lost.
func (c *Client) insist(s *session, over connKind, kind frameType, encode func(b []byte) []byte) *call {
	for {
		cl := newCall()
		cl.kind = kind
		cl.own = true
		cl.frame = encode(cl.frame)
		if cl = c.ask(s, over, cl); cl == nil || !refusedForNow(cl.status) {
			return cl
		}
		c.openReads(s)
		select {
		case <-time.After(resendPause):
		case <-s.lost:
			return nil
		case <-c.stopping:
			c.lose(s, ErrClosed)
			return nil
		}
	}
}
