package cairn

import (
	"context"
	"log/slog"
)

// DefaultSocket is where cairnd listens unless its configuration says otherwise.
const DefaultSocket = "/run/cairn/cairnd.sock"

// Options says how to open a client. The zero value is good.
type Options struct {
	Socket string       // path of the daemon's socket; empty: DefaultSocket
	Name   string       // of this client, for the daemon's log, at most 64 bytes; empty: the program's
	Logger *slog.Logger // told of lost and new connections, lost claims, and writes that could not be sent again; nil: none
}

// Client is a process's access to a daemon. Make it with [Open].
type Client struct{}

// Open connects to the daemon. If none listens, or it is just starting, Open tries again for up to 10 seconds, or until ctx ends.
// It starts the client's few goroutines; Close ends them.
func Open(ctx context.Context, options Options) (*Client, error) {
	panic("not yet")
}

// Close waits until all that this client wrote is written (see [LevelWritten]), for up to 10 seconds if the daemon is away,
// and ends the client. Claims that were not released stay until the daemon's claim_grace is over. Calls fail with ErrClosed
// from then on; a second Close returns nil. The error says what may not be written, and what was not applied when it was
// sent again.
func (c *Client) Close() error {
	panic("not yet")
}

// Chain returns the chain of that name, without asking the daemon: reads and writes of a chain that does not exist are
// ErrInvalid. It returns the same value for the same name.
func (c *Client) Chain(name string) *Chain {
	panic("not yet")
}

// CreateChain makes a chain, durably. A name has 1 to 64 of a-z 0-9 . _ -. If the chain exists, created is false and
// nothing is changed. It is sent again after a lost connection; then created may be false for a chain that it made.
func (c *Client) CreateChain(ctx context.Context, name string) (created bool, err error) {
	panic("not yet")
}

// DropChain drops a chain with all that is in it, durably; the chain "default" is empty afterwards. This client's claim of it
// is lost. ErrInvalid: there is no such chain.
func (c *Client) DropChain(ctx context.Context, name string) error {
	panic("not yet")
}

// Chains tells of all chains, in the order of their names.
func (c *Client) Chains(ctx context.Context) ([]ChainInfo, error) {
	panic("not yet")
}

// Barrier returns once everything that was accepted before, by anyone, has reached the level. LevelDefault is durable. It
// also returns, once, an error if something that this client had been told was accepted was lost with the daemon and could
// not be sent again, or if raises were left out (ErrDamaged).
func (c *Client) Barrier(ctx context.Context, level Level) error {
	panic("not yet")
}

// Status gives the daemon's status page.
func (c *Client) Status(ctx context.Context) ([]StatusEntry, error) {
	panic("not yet")
}

// Limits returns the daemon's bounds, as of the last connection. No I/O.
func (c *Client) Limits() Limits { return c.Daemon().Limits }

// Daemon returns what the daemon told of itself when the client connected last. No I/O.
func (c *Client) Daemon() DaemonInfo {
	panic("not yet")
}

// Stats counts what a client did since it was opened.
type Stats struct {
	Connected   bool   // now
	Reconnects  uint64 // times that all connections were made anew
	Requests    uint64
	Resent      uint64 // writes that were sent again
	Dropped     uint64 // accepted writes that were lost with a daemon and refused when they were sent again
	KeptWrites  uint64 // now: accepted writes that are not known to be written
	KeptBytes   uint64 // now: of these, with what they take in memory
	ClaimsLost  uint64
	BytesSent   uint64
	BytesRead   uint64
	OpenStreams uint64 // now
}

// Stats returns the client's counts. No I/O.
func (c *Client) Stats() Stats {
	panic("not yet")
}
