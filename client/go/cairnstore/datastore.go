package cairnstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/evstack/ev-node/pkg/store"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairnds"
)

var (
	_ ds.Batching            = (*Datastore)(nil)
	_ ds.PersistentDatastore = (*Datastore)(nil)
	_ ds.CheckedDatastore    = (*Datastore)(nil)
	_ ds.TxnDatastore        = (*Datastore)(nil)
)

// Options of [Open]. The zero value does for a node.
type Options struct {
	// WriterName is told to whoever is refused, and to the operator. Empty: the name of the program.
	WriterName string
	// TakeOver takes the chain also from a writer that holds it, of the same user. That one's writes fail from then on.
	TakeOver bool
}

// Datastore is the database of a node: what the node's parts keep under keys of their own are names, as package cairnds has them, and
// what ev-node's own store keeps under /0 is a chain's blocks, states, height and bound metadata. So a node whose store is ev-node's own
// runs on the chain as it is, and one that takes [Datastore.Store] finds the same there.
//
// What it knows of ev-node's store:
//   - Header, data and signature of a block are put, or deleted, in one batch. A single put or delete of one of them fails.
//   - A batch that deletes all that is above the height it puts is a rollback of the chain; one that deletes blocks up to the mark of
//     what is pruned that it moves is a prune.
//   - Reads of the height and of states wait until they are answered, as [Store.GetState] does, since ev-node takes their failure
//     for a new chain.
//   - Queries list names. Nothing in ev-node queries what is under /0.
type Datastore struct {
	store *Store
	raw   *cairnds.Datastore
}

// Open makes the chain if there is none and claims it, as Badger locks its directory: no other client can write to it until
// Close. While another holds it, Open waits, since the claim of a process that was killed is held for some seconds more; when the context
// ends first, the error is [cairn.ErrClaimed] and its text names the holder. A chain into which an import has not come to its end, and
// one that a node filled by package cairnds, is refused. The client is the caller's to close, after the datastore.
func Open(ctx context.Context, client *cairn.Client, chain string, o Options) (*Datastore, error) {
	ctx = cairn.Started(ctx)
	if _, err := client.CreateChain(ctx, chain); err != nil {
		return nil, fmt.Errorf("cairnstore: making chain %q: %w", chain, err)
	}
	claim, err := client.Chain(chain).Claim(ctx, cairn.ClaimOptions{WriterName: o.WriterName, TakeOver: o.TakeOver, Wait: true})
	if err != nil {
		return nil, fmt.Errorf("cairnstore: claiming chain %q: %w", chain, err)
	}
	if err := refuse(ctx, client.Chain(chain)); err != nil {
		return nil, errors.Join(err, claim.Release(ctx))
	}
	d := &Datastore{store: New(client, chain, claim), raw: cairnds.New(client, chain)}
	d.store.onEnd = func() error {
		err := claim.Release(context.Background()) // is durable, and all that was written before goes with it
		if errors.Is(err, cairn.ErrClaimed) {
			return nil // taken over: there is nothing to release
		}
		return err
	}
	return d, nil
}

const (
	// importName is there while an import of cairn-badger into the chain is not over: its height and blocks are not those of the source yet.
	importName = "cairn-badger/import"
	// genericName is there if a node had the chain as a mere datastore: its blocks are names.
	genericName = rawPrefix + "/t"
)

// refuse returns an error for a chain on which a node would begin at a height that is not its own: it might sign that a second time.
func refuse(ctx context.Context, chain *cairn.Chain) error {
	for _, refused := range []struct{ name, text string }{
		{importName, "an import into it is not over: go on with it (cairn-badger import), or drop the chain"},
		{genericName, "it keeps each key of a node as a name: open it by cairnds, or import without --generic"},
	} {
		_, err := chain.GetParts(ctx, refused.name, 0)
		if err == nil {
			return fmt.Errorf("cairnstore: chain %q: %s", chain.Name(), refused.text)
		}
		if !errors.Is(err, cairn.ErrNotFound) {
			return fmt.Errorf("cairnstore: looking what chain %q holds: %w", chain.Name(), err)
		}
	}
	return nil
}

// Store returns the store on the same chain, always the same one, which a node may use instead of its own store over this datastore.
func (d *Datastore) Store() store.Store { return d.store }

// Close returns when all that was written is durable and the claim is released. Calls that come later fail with [cairn.ErrClosed], also
// of the store; a second Close is nil. A claim that another client has taken over leaves nothing to release, and is no error here.
func (d *Datastore) Close() error { return d.store.Close() }

// place says where the value of a key is.
func (d *Datastore) place(key ds.Key) place {
	if rest, ok := strings.CutPrefix(key.String(), rawPrefix+"/"); ok {
		return placeOf("/" + rest)
	}
	return place{kind: keyOther, name: key.String()}
}

// Get returns a copy of the value, or [ds.ErrNotFound].
func (d *Datastore) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	s := d.store
	if s.closed.Load() {
		return nil, cairn.ErrClosed
	}
	switch at := d.place(key); at.kind {
	case keyHeader:
		block, err := s.chain.Block(ctx, at.height, cairn.PartHeader)
		return block.Header, absence(err)
	case keyData:
		block, err := s.chain.Block(ctx, at.height, cairn.PartData)
		return block.Data, absence(err)
	case keySignature:
		block, err := s.chain.Block(ctx, at.height, cairn.PartSignature)
		return block.Signature, absence(err)
	case keyIndex:
		block, err := s.chain.BlockByHash(ctx, at.hash, 0)
		return heightValue(block.Height, absence(err))
	case keyState:
		var value []byte
		err := s.untilAnswered(ctx, func(ctx context.Context) (err error) {
			value, err = s.chain.State(ctx, at.height)
			return err
		})
		return value, absence(err)
	case keyHeight:
		var height uint64
		err := s.untilAnswered(ctx, func(ctx context.Context) (err error) {
			height, err = s.chain.Height(ctx)
			return err
		})
		if err == nil && height == 0 {
			err = ds.ErrNotFound
		}
		return heightValue(height, err)
	case keyMetadata:
		return s.value(ctx, at.name)
	}
	return d.raw.Get(ctx, key)
}

// heightValue is a height as ev-node stores it.
func heightValue(height uint64, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint64(nil, height), nil
}

// Has says whether there is a value.
func (d *Datastore) Has(ctx context.Context, key ds.Key) (bool, error) {
	if d.place(key).kind == keyOther && !d.store.closed.Load() {
		return d.raw.Has(ctx, key)
	}
	_, err := d.Get(ctx, key)
	if errors.Is(err, ds.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GetSize returns the value's length, or -1 and an error, [ds.ErrNotFound] if there is none.
func (d *Datastore) GetSize(ctx context.Context, key ds.Key) (int, error) {
	if d.place(key).kind == keyOther && !d.store.closed.Load() {
		return d.raw.GetSize(ctx, key)
	}
	value, err := d.Get(ctx, key)
	if err != nil {
		return -1, err
	}
	return len(value), nil
}

// Put sets the value of a key, accepted when it returns if the key is a name or metadata, durable if it is a state or the height.
func (d *Datastore) Put(ctx context.Context, key ds.Key, value []byte) error {
	switch at := d.place(key); {
	case d.store.closed.Load():
		return cairn.ErrClosed
	case at.kind == keyOther:
		return d.raw.Put(ctx, key, value)
	case at.kind == keyMetadata:
		return d.store.write(ctx, change{place: at, value: value})
	default:
		b := d.store.newBatch(ctx)
		if err := b.put(at, value); err != nil {
			return err
		}
		return b.Commit()
	}
}

// Delete removes a key. To remove one that is absent is no error.
func (d *Datastore) Delete(ctx context.Context, key ds.Key) error {
	switch at := d.place(key); {
	case d.store.closed.Load():
		return cairn.ErrClosed
	case at.kind == keyOther:
		return d.raw.Delete(ctx, key)
	case at.kind == keyMetadata:
		return d.store.write(ctx, change{place: at, isDeleted: true})
	case at.kind == keyState:
		return d.store.DeleteStateAtHeight(ctx, at.height)
	default:
		b := d.store.newBatch(ctx)
		if err := b.delete(at); err != nil {
			return err
		}
		return b.Commit()
	}
}

// Query lists names, as package cairnds does. Blocks, states and metadata of ev-node's store are not among them.
func (d *Datastore) Query(ctx context.Context, q query.Query) (query.Results, error) {
	if d.store.closed.Load() {
		return nil, cairn.ErrClosed
	}
	return d.raw.Query(ctx, q)
}

// Sync returns when every write that returned before is durable, under whatever key: the daemon has one log.
func (d *Datastore) Sync(ctx context.Context, prefix ds.Key) error {
	if d.store.closed.Load() {
		return cairn.ErrClosed
	}
	return d.raw.Sync(ctx, prefix)
}

// DiskUsage estimates how many bytes the whole chain takes on the daemon's disk.
func (d *Datastore) DiskUsage(ctx context.Context) (uint64, error) {
	if d.store.closed.Load() {
		return 0, cairn.ErrClosed
	}
	return d.raw.DiskUsage(ctx)
}

// Check fails if this datastore could not write now.
func (d *Datastore) Check(ctx context.Context) error {
	if d.store.closed.Load() {
		return cairn.ErrClosed
	}
	select {
	case <-d.store.claim.Lost():
		return fmt.Errorf("cairnstore: %w", cairn.ErrClaimed)
	default:
		return d.raw.Check(ctx)
	}
}

// Batch begins a batch: one commit, durable when Commit returns.
func (d *Datastore) Batch(ctx context.Context) (ds.Batch, error) {
	if d.store.closed.Load() {
		return nil, cairn.ErrClosed
	}
	return &datastoreBatch{d, d.store.newBatch(ctx)}, nil
}

// datastoreBatch is a [Batch] whose keys are those of the node.
type datastoreBatch struct {
	d     *Datastore
	batch *Batch
}

func (b *datastoreBatch) Put(_ context.Context, key ds.Key, value []byte) error {
	return b.batch.put(b.d.place(key), append(make([]byte, 0, len(value)), value...))
}

func (b *datastoreBatch) Delete(_ context.Context, key ds.Key) error {
	return b.batch.delete(b.d.place(key))
}

func (b *datastoreBatch) Commit(ctx context.Context) error {
	b.batch.ctx = ctx
	return b.batch.Commit()
}

// NewTransaction begins a transaction of names, as package cairnds has them. Keys of ev-node's store, which uses none, fail in it.
func (d *Datastore) NewTransaction(ctx context.Context, readOnly bool) (ds.Txn, error) {
	if d.store.closed.Load() {
		return nil, cairn.ErrClosed
	}
	txn, err := d.raw.NewTransaction(ctx, readOnly)
	return &transaction{txn, d}, err
}

type transaction struct {
	ds.Txn
	d *Datastore
}

// refuses returns an error for what cannot be in a transaction.
func (t *transaction) refuses(key ds.Key) error {
	if t.d.store.closed.Load() {
		return cairn.ErrClosed
	}
	if t.d.place(key).kind != keyOther {
		return fmt.Errorf("cairnstore: %s is a key of ev-node's store: it cannot be in a transaction, use a batch", key)
	}
	return nil
}

func (t *transaction) Get(ctx context.Context, key ds.Key) ([]byte, error) {
	if err := t.refuses(key); err != nil {
		return nil, err
	}
	return t.Txn.Get(ctx, key)
}

func (t *transaction) Has(ctx context.Context, key ds.Key) (bool, error) {
	if err := t.refuses(key); err != nil {
		return false, err
	}
	return t.Txn.Has(ctx, key)
}

func (t *transaction) GetSize(ctx context.Context, key ds.Key) (int, error) {
	if err := t.refuses(key); err != nil {
		return -1, err
	}
	return t.Txn.GetSize(ctx, key)
}

func (t *transaction) Put(ctx context.Context, key ds.Key, value []byte) error {
	if err := t.refuses(key); err != nil {
		return err
	}
	return t.Txn.Put(ctx, key, value)
}

func (t *transaction) Delete(ctx context.Context, key ds.Key) error {
	if err := t.refuses(key); err != nil {
		return err
	}
	return t.Txn.Delete(ctx, key)
}
