package cairn

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var closeLimit = 10 * time.Second // tests have a shorter one

// Close waits until all that this client wrote is written (see [LevelWritten]), for up to 10 seconds if the daemon is away or stands still,
// and ends the client. Claims that were not released stay until the daemon's claim_grace is over. Calls fail with ErrClosed
// from then on; a second Close returns nil. The error says what may not be written, and what was not applied when it was
// sent again.
func (c *Client) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	w := waiting{ctx, ctx.Done()} // not waitingFor, which makes none of a limit that is over before the barrier
	err := c.drain(w)
	if err == nil {
		err = c.barrier(w, LevelWritten, true)
	}
	close(c.stopping)
	select {
	case <-c.ended:
	case <-w.done:
		close(c.hung)
		<-c.ended
	}
	if errors.Is(err, context.DeadlineExceeded) {
		writes, _ := c.keep.size()
		err = &Error{Op: "close", Unknown: true,
			Text: fmt.Sprintf("the daemon did not answer within %v; of the writes that it had accepted %d may not be written", closeLimit, writes)}
	}
	return err
}

// drain ends the sending of metadata, and waits for the answers to what was sent: what is accepted without having been there for the
// barrier of Close would be lost with the daemon, since nobody is left to send it again. A session that is lost is as good, for no call
// gets the next one.
func (c *Client) drain(w waiting) error {
	s := c.writeSession.Load()
	if s == nil {
		return nil
	}
	select {
	case <-s.conns[metadata].drain():
	case <-s.lost:
	case <-w.done:
		return w.ctx.Err()
	}
	return nil
}
