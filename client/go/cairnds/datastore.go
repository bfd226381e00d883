// Package cairnds is a go-datastore on a chain of cairn: a [ds.Batching] that is also a [ds.PersistentDatastore], a
// [ds.CheckedDatastore] and a [ds.TxnDatastore].
//
// A key is the name of a metadata entry, byte for byte, its leading slash included. Names that are no keys (without a leading
// slash, or with a trailing one) belong to other users of the chain: queries pass over them.
//
//   - Put and Delete are accepted when they return: every reader sees them, the client sends them again if the daemon dies, and the
//     daemon writes them on its own within moments. They survive a crash of either side; [Datastore.Sync] makes them durable. A value
//     that is larger than the daemon's queue takes goes as a commit, which is durable.
//   - A [ds.Batch] is one commit: all of it or nothing, durable when Commit returns. It is bounded by the daemon's largest frame;
//     one that is larger fails whole with [cairn.ErrTooLarge], and the text names the bound.
//   - A [ds.Txn] buffers its writes and commits them as a batch does. Its reads see its own writes over what is committed at
//     the time of each read (read committed): they are not of one instant, and nothing is locked.
//   - A query is of one instant. It holds nobody up, whether read slowly, left open or forgotten.
//
// Contexts: nil stands for [context.Background]. One that is over when a call begins is ignored, as what a node does while it stops
// needs. One that ends during a read ends the read. One that ends during a write ends it only while it has not been sent.
//
// Absence, and nothing else, is [ds.ErrNotFound]. All other errors are of package cairn. A Datastore, its batches and its transactions
// may be used by several goroutines at a time. Every value that is returned is the caller's; a value that is passed is copied before
// the call returns.
package cairnds

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn"
)

var (
	_ ds.Batching            = (*Datastore)(nil)
	_ ds.PersistentDatastore = (*Datastore)(nil)
	_ ds.CheckedDatastore    = (*Datastore)(nil)
	_ ds.TxnDatastore        = (*Datastore)(nil)
)

// ErrForeign is what [Open] gives of a chain that is not a datastore's. Nothing of the chain was changed, and it is not claimed.
var ErrForeign = errors.New("cairnds: not a datastore's chain")

// importName is there while cairn-badger imports a chain.
const importName = "cairn-badger/import"

// Options of [Open]. The zero value does for a node.
type Options struct {
	// WriterName is told to whoever is refused, and to the operator. Empty: the name of the program.
	WriterName string
	// TakeOver takes the chain also from a writer that holds it, of the same user. That one's writes fail from then on.
	TakeOver bool
}

// Datastore is a chain as a go-datastore. See the package for what each call promises.
type Datastore struct {
	client *cairn.Client
	chain  *cairn.Chain
	claim  *cairn.Claim // nil: made by New
	closed atomic.Bool
}

// New is the chain of that name as a datastore. It does no I/O and takes no claim: for a chain that nobody claims, for one that this
// client has claimed by itself, and for reading beside the chain's writer. The chain has to exist. The client is the caller's to close.
func New(client *cairn.Client, chain string) *Datastore {
	return &Datastore{client: client, chain: client.Chain(chain)}
}

// Open makes the chain if there is none and claims it, as Badger locks its directory: no other client can write to it until
// Close. While another holds it, Open waits, since the claim of a process that was killed is held for some seconds more; when the
// context ends first, the error is [cairn.ErrClaimed] and its text names the holder. The client is the caller's to close, after the
// datastore.
//
// A node that took another chain for an empty one would begin it anew. So Open is [ErrForeign] where the chain keeps blocks as blocks, which
// package cairnstore is for, and where an import by cairn-badger is not over.
func Open(ctx context.Context, client *cairn.Client, chain string, options Options) (*Datastore, error) {
	ctx = cairn.Started(ctx)
	d := New(client, chain)
	if _, err := client.CreateChain(ctx, chain); err != nil {
		return nil, fmt.Errorf("cairnds: making chain %q: %w", chain, err)
	}
	claim, err := d.chain.Claim(ctx, cairn.ClaimOptions{WriterName: options.WriterName, TakeOver: options.TakeOver, Wait: true})
	if err != nil {
		return nil, fmt.Errorf("cairnds: claiming chain %q: %w", chain, err)
	}
	d.claim = claim
	if err := d.refuseForeign(ctx); err != nil {
		return nil, errors.Join(err, claim.Release(ctx))
	}
	return d, nil
}

func (d *Datastore) refuseForeign(ctx context.Context) error {
	height, err := d.chain.Height(ctx)
	if err != nil {
		return fmt.Errorf("cairnds: chain %q: %w", d.Chain(), err)
	}
	if height > 0 {
		return fmt.Errorf("%w: chain %q keeps blocks as blocks, up to height %d; open it with cairnstore", ErrForeign, d.Chain(), height)
	}
	switch _, err := d.chain.GetParts(ctx, importName, 0); {
	case err == nil:
		return fmt.Errorf("%w: the import into chain %q is not over; go on with it by cairn-badger import, or drop the chain", ErrForeign, d.Chain())
	case errors.Is(err, cairn.ErrNotFound):
		return nil
	default:
		return fmt.Errorf("cairnds: chain %q: %w", d.Chain(), err)
	}
}

// Chain is the chain's name.
func (d *Datastore) Chain() string {
	return d.chain.Name()
}

// Get returns a copy of the value, or [ds.ErrNotFound].
func (d *Datastore) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	if d.closed.Load() {
		return nil, cairn.ErrClosed
	}
	value, err := d.chain.Get(ctx, key.String())
	if err != nil {
		return nil, absence(err)
	}
	return value, nil
}

// Has says whether there is a value. The value stays with the daemon.
func (d *Datastore) Has(ctx context.Context, key ds.Key) (bool, error) {
	if d.closed.Load() {
		return false, cairn.ErrClosed
	}
	_, err := d.chain.GetParts(ctx, key.String(), 0)
	if errors.Is(err, cairn.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GetSize returns the value's length, or -1 and an error, [ds.ErrNotFound] if there is none. The value stays with the daemon.
func (d *Datastore) GetSize(ctx context.Context, key ds.Key) (int, error) {
	if d.closed.Load() {
		return -1, cairn.ErrClosed
	}
	metadata, err := d.chain.GetParts(ctx, key.String(), cairn.MetadataSize)
	if err != nil {
		return -1, absence(err)
	}
	return int(metadata.Size), nil
}

// absence gives go-datastore's own error for a name that is not there: its users compare by ==.
func absence(err error) error {
	if errors.Is(err, cairn.ErrNotFound) {
		return ds.ErrNotFound
	}
	return err
}

// Put sets the value of a key. It is copied before Put returns.
func (d *Datastore) Put(ctx context.Context, key ds.Key, value []byte) error {
	if d.closed.Load() {
		return cairn.ErrClosed
	}
	if uint64(len(value)) > d.client.Limits().ValueBytesMax {
		return d.commit(ctx, []cairn.Operation{cairn.Set(key.String(), value)})
	}
	return d.chain.Set(ctx, key.String(), value)
}

// Delete removes a key. To remove one that is absent is no error.
func (d *Datastore) Delete(ctx context.Context, key ds.Key) error {
	if d.closed.Load() {
		return cairn.ErrClosed
	}
	return d.chain.Delete(ctx, key.String())
}

// commit writes the operations in one durable commit. It comes behind what was put before: a commit takes queued operations on the
// names that it touches along.
func (d *Datastore) commit(ctx context.Context, operations []cairn.Operation) error {
	if d.closed.Load() {
		return cairn.ErrClosed
	}
	if len(operations) == 0 {
		return nil
	}
	_, err := d.chain.Commit(ctx, &cairn.CommitRequest{Metadata: operations})
	return err
}

// Sync returns when every Put, Delete and Commit that returned before is durable, under whatever key: the daemon has one log.
func (d *Datastore) Sync(ctx context.Context, _ ds.Key) error {
	if d.closed.Load() {
		return cairn.ErrClosed
	}
	return d.client.Barrier(ctx, cairn.LevelDurable)
}

// DiskUsage estimates how many bytes the chain takes on the daemon's disk, within a factor of two for chains from 64 MiB on that were
// not written to for a minute.
func (d *Datastore) DiskUsage(ctx context.Context) (uint64, error) {
	if d.closed.Load() {
		return 0, cairn.ErrClosed
	}
	return d.chain.Usage(ctx)
}

// Check fails if this datastore could not write now: the daemon cannot be reached or has stopped writing, or the chain was claimed by
// another client. What lies on the disk is checked by the daemon, by itself.
func (d *Datastore) Check(ctx context.Context) error {
	if d.closed.Load() {
		return cairn.ErrClosed
	}
	if d.claim != nil {
		select {
		case <-d.claim.Lost():
			return fmt.Errorf("cairnds: %w", cairn.ErrClaimed)
		default:
		}
	}
	ctx = cairn.Started(ctx)
	if _, err := d.chain.Height(ctx); err != nil {
		return err
	}
	return d.client.Barrier(ctx, cairn.LevelDurable)
}

// Close returns when all that was put is written and the claim is released. Calls that come later fail with [cairn.ErrClosed]; a
// second Close is nil. A claim that another client has taken over leaves nothing to release, and is no error here.
func (d *Datastore) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	if d.claim == nil {
		return d.client.Barrier(context.Background(), cairn.LevelWritten)
	}
	return d.claim.Release(context.Background()) // is durable, and all that was put before it goes with it
}
