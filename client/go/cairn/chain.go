package cairn

import (
	"context"
	"iter"
)

// Chain is a namespace with blocks, states, a height and metadata. Get it from [Client.Chain]; it needs no closing.
type Chain struct{}

// Name returns the chain's name.
func (ch *Chain) Name() string { panic("not yet") }

// Client returns the client that the chain belongs to.
func (ch *Chain) Client() *Client { panic("not yet") }

// Height returns the chain's height, 0 for none.
func (ch *Chain) Height(ctx context.Context) (uint64, error) { panic("not yet") }

// Block reads the parts of the block at a height, from 1. ErrNotFound: there is none, or it is pruned.
func (ch *Chain) Block(ctx context.Context, height uint64, parts BlockParts) (Block, error) {
	panic("not yet")
}

// BlockByHash reads the parts of the block with a hash of 1 to 64 bytes, and its height.
func (ch *Chain) BlockByHash(ctx context.Context, hash []byte, parts BlockParts) (Block, error) {
	panic("not yet")
}

// Blocks gives the blocks that there are from first to last, both included, in rising order and of one instant. An error
// is the last thing given. If the connection is lost before the first block, the request is sent again; later, the error
// is ErrBusy. Ending the loop early ends the stream.
func (ch *Chain) Blocks(ctx context.Context, first, last uint64, parts BlockParts) iter.Seq2[Block, error] {
	panic("not yet")
}

// BlocksAt gives the blocks at the heights, at most 16,384, one for one, with Absent set where there is none. It is otherwise
// as Blocks.
func (ch *Chain) BlocksAt(ctx context.Context, heights []uint64, parts BlockParts) iter.Seq2[Block, error] {
	panic("not yet")
}

// State reads the state at a height, from 0. ErrNotFound: there is none, or it is pruned.
func (ch *Chain) State(ctx context.Context, height uint64) ([]byte, error) { panic("not yet") }

// LastState reads the state at the chain's height, both of one instant. ErrNotFound: there is none.
func (ch *Chain) LastState(ctx context.Context) (State, error) { panic("not yet") }

// Get reads the value of a name. ErrNotFound: there is no such name.
func (ch *Chain) Get(ctx context.Context, name string) ([]byte, error) { panic("not yet") }

// GetParts reads what is asked for of a name. ErrNotFound: there is no such name.
func (ch *Chain) GetParts(ctx context.Context, name string, parts MetadataParts) (Metadata, error) {
	panic("not yet")
}

// GetMany reads what is asked for of several names, at most 16,384, of one instant: one for one, with Absent set where there is none.
// It is otherwise as [Chain.Blocks].
func (ch *Chain) GetMany(ctx context.Context, names []string, parts MetadataParts) iter.Seq2[Metadata, error] {
	panic("not yet")
}

// List gives names, in byte order or in reverse, of one instant. It is otherwise as [Chain.Blocks].
func (ch *Chain) List(ctx context.Context, request ListRequest) iter.Seq2[Metadata, error] {
	panic("not yet")
}

// OpenList is List for a caller that asks for one name after the other.
func (ch *Chain) OpenList(ctx context.Context, request ListRequest) *MetadataCursor { panic("not yet") }

// MetadataCursor is a list that is being read. It starts no goroutine. One that is forgotten ends when it is collected.
type MetadataCursor struct{}

// Next gives the next name. It is false at the end of the list, and after an error, a Close, or the end of the context.
func (c *MetadataCursor) Next() (Metadata, bool) { panic("not yet") }

// Err returns why Next was false; nil at the end of the list and after Close.
func (c *MetadataCursor) Err() error { panic("not yet") }

// Close ends the list. It may be called several times, and while another goroutine is in Next.
func (c *MetadataCursor) Close() { panic("not yet") }

// Usage returns about how many bytes the chain takes on disk.
func (ch *Chain) Usage(ctx context.Context) (uint64, error) { panic("not yet") }

// Set sets a name to a value, at level accepted. A value above Limits().ValueBytesMax is ErrTooLarge: set it by a Commit.
func (ch *Chain) Set(ctx context.Context, name string, value []byte) error { panic("not yet") }

// Delete deletes a name, at level accepted. Deleting what is absent is fine.
func (ch *Chain) Delete(ctx context.Context, name string) error { panic("not yet") }

// Raise raises the number under a name, at level accepted; see the operation [Raise]. One over a value that the daemon cannot read
// is left out, and the next [Client.Barrier] says so.
func (ch *Chain) Raise(ctx context.Context, name string, number uint64) error { panic("not yet") }

// Write queues operations, as an atomic batch. LevelDefault is accepted.
func (ch *Chain) Write(ctx context.Context, operations []Operation, level Level) (WriteResult, error) {
	panic("not yet")
}

// Commit applies a change of the chain, whole or not at all. ErrConflict, with a reason: it was refused.
func (ch *Chain) Commit(ctx context.Context, request *CommitRequest) (WriteResult, error) {
	panic("not yet")
}

// Prune drops old blocks and states.
func (ch *Chain) Prune(ctx context.Context, request *PruneRequest) (WriteResult, error) {
	panic("not yet")
}

// Rollback goes back to a height: blocks, states and metadata bound above it go.
func (ch *Chain) Rollback(ctx context.Context, request *RollbackRequest) (WriteResult, error) {
	panic("not yet")
}

// Claim makes this client the chain's one writer. ErrClaimed: another holds it; the text names who. Claim before writing: what
// other goroutines of this client write to the chain during the call may be refused.
func (ch *Chain) Claim(ctx context.Context, options ClaimOptions) (*Claim, error) { panic("not yet") }
