package cairn

import "context"

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

// Claim makes this client the chain's one writer, until it is released or another takes it over. While it holds, what this
// client writes to the chain happens once, whatever happens to the daemon.
//
// A claim is renewed by the client on each connection. When another took it over, Lost is closed, and this client's writes
// to the chain fail with ErrClaimed, until Release was called or the chain claimed anew.
type Claim struct {
	chain *Chain
	epoch Epoch
	lost  chan struct{}
}

// Chain returns the chain that is claimed.
func (c *Claim) Chain() *Chain { return c.chain }

// Epoch returns what the claim is known by.
func (c *Claim) Epoch() Epoch { return c.epoch }

// Lost returns a channel that is closed when the claim is known to be lost: another took it over, an operator released it,
// the chain was dropped, the store was changed, or the client was closed. Release does not close it.
func (c *Claim) Lost() <-chan struct{} { return c.lost }

// Holds tells, without asking the daemon, whether the claim holds: ok is true if no other writer has been let in since the
// claim, as of now. generation changes whenever the client connected again; what was cached under another one is void.
func (c *Claim) Holds() (generation uint64, ok bool) {
	return 0, false
}

// Release ends the claim, durably. Releasing what is released or lost is no error.
func (c *Claim) Release(ctx context.Context) error {
	panic("not yet")
}
