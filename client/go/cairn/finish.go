package cairn

import "errors"

// finish does what an answer means for the client, and wakes the caller. The connection's reader calls it: what another answer's
// caller may rely on happens in the order of the answers. abandoned: nobody waits for it.
func (c *Client) finish(from *conn, cl *call, abandoned bool) {
	isNumbered := cl.bare != 0 && cl.number != 0 && cl.claim != nil
	isUnknown := isNumbered && (cl.status == StatusIOError || int(cl.status) >= len(statusErrors))
	isPutOff := cl.status == StatusShuttingDown && cl.track != nil && !cl.own // it was sent before, and keeps its place
	if isUnknown || isPutOff {
		// Nobody knows whether it is applied; the next session tells, as of one that was not answered.
		c.lose(from.session, cl.error())
		cl.ownFrame()
		from.mu.Lock()
		from.place(cl)
		from.mu.Unlock()
		return
	}
	if cl.status == StatusShuttingDown {
		// Not applied; the daemon ends the connections when all before is answered.
		c.lose(from.session, errors.New("the daemon stops"))
		cl.outcome = outcomeAgain
	}
	if isNumbered {
		cl.claim.answered(cl)
	}
	switch {
	case cl.status == StatusOK && cl.kind == frameWriteMetadata:
		c.accepted(cl)
	case cl.status == StatusOK && cl.kind == frameClaim:
		c.claimed(cl)
	case cl.status == StatusConflict && cl.claim != nil:
		if e, ok := decodeError(cl.reply); ok && e.Reason == ReasonClaimed {
			e.Op, e.Status = frameNames[cl.kind], cl.status
			c.loseClaim(cl.claim, &e)
		}
	}
	if cl.stream != nil {
		cl.stream.finish()
		return
	}
	cl.answered = true
	track := cl.track
	switch {
	case cl.own:
	case abandoned:
		cl.recycle()
	default:
		cl.wake()
	}
	if track != nil {
		track.one()
	}
}

// accepted keeps a write of metadata that is in the daemon's memory only.
func (c *Client) accepted(cl *call) {
	r, _, ok := decodeWriteReply(cl.reply)
	if !ok {
		return
	}
	if r.Level != LevelAccepted {
		if cl.kept != nil {
			c.keep.giveUp(cl.kept)
		}
		c.keep.notKept(r.Sequence, cl.stamp)
		return
	}
	if cl.kept != nil {
		c.keep.addAgain(r.Sequence, cl.kept)
		return
	}
	cl.frame = c.keep.add(r.Sequence, cl.stamp, cl.frame[:cl.base])
}
