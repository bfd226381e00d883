// Package cairnstore is ev-node's store (pkg/store) on a chain of cairn: blocks, states and the height are the chain's own, metadata
// about the inclusion of a block is bound to it.
//
//   - A [Store] is ev-node's store.Store. A batch is one commit, all of it or nothing, durable when Commit returns.
//   - A [Datastore] is the database of a whole node, to pass where Badger's would be: ev-node's own store works on it, and its
//     blocks and states land on the chain as those of a Store do, since both name and lay out everything alike.
//
// Where things are: block N has header, data and signature as ev-node encodes them, and the hash that ev-node's index has, SHA-256 of
// the encoded signed header. State N, the height, and metadata K under the name m/K, unbound but for rhb/N/…, which is bound to N.
//
// Contexts are treated as package cairn treats them: nil is [context.Background], one that is over when a call begins is ignored.
// Absence, and nothing else, is [ds.ErrNotFound]; a block that was pruned is absent.
//
// # Caches
//
// A Store that has a claim keeps what it reads: blocks and metadata, absence of metadata too, each up to a bound in bytes. Before each
// answer from there it makes sure, without asking the daemon, that the claim still holds, so an answer is never older than what another
// client wrote, whatever becomes of the claim. What the Store itself writes counts at once. Writes to the chain that go past the Store
// (by package cairn with the same claim, or by a second Store) are not seen by its caches: make one Store for a claim.
package cairnstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"cairn.invalid/client/go/cairn"
)

const (
	// blockCacheBytes bounds the blocks in memory: about 3,000 of 20 kB.
	blockCacheBytes = 64 << 20
	// nameCacheBytes bounds the metadata in memory: about 50,000 names.
	nameCacheBytes = 8 << 20
	// entryBytes is about what an entry takes beside its value: key, list, map, and the decoded header.
	entryBytes = 160
	// txBytes is about what a decoded transaction takes beside its bytes.
	txBytes = 48
)

// Store is ev-node's store on a chain. Its methods may be called by several goroutines at a time.
//
// Headers and data that it returns are the caller's, but for the byte slices in them, which several callers may have: they must not be changed,
// as with ev-node's CachedStore, which it stands in for. Signatures and metadata are the caller's.
type Store struct {
	client *cairn.Client
	chain  *cairn.Chain
	name   string
	claim  *cairn.Claim // nil: nothing is kept
	onEnd  func() error // what Close does
	closed atomic.Bool

	blocks *cache[blockKey, block]
	names  *cache[string, []byte] // nil: no such name
}

var _ store.Store = (*Store)(nil)

// blockKey names the part of a block that a call asks for.
type blockKey struct {
	height uint64
	part   cairn.BlockParts // PartHeader, PartData with the header, PartSignature
}

type block struct {
	header    *types.SignedHeader
	data      *types.Data
	signature types.Signature
}

// New is the store on the chain of that name, which has to exist. It does no I/O. The claim is the chain's, under which the client
// writes; nil for none, then nothing is kept in memory. Client and claim are the caller's to close and release, after the store.
func New(client *cairn.Client, chain string, claim *cairn.Claim) *Store {
	return &Store{
		client: client,
		chain:  client.Chain(chain),
		name:   chain,
		claim:  claim,
		onEnd:  func() error { return client.Barrier(context.Background(), cairn.LevelWritten) },
		blocks: newCache[blockKey, block](blockCacheBytes),
		names:  newCache[string, []byte](nameCacheBytes),
	}
}

// Close returns when all that was written through the store is safe from a crash of the daemon. Calls that come later fail with
// [cairn.ErrClosed]; a second Close is nil. A shared client stays open. The store of a [Datastore] closes that.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.blocks.empty()
	s.names.empty()
	return s.onEnd()
}

// Drop drops the chain with all that is in it, durably. The store is of no use afterwards.
func (s *Store) Drop(ctx context.Context) error {
	if s.closed.Load() {
		return cairn.ErrClosed
	}
	return s.sweep(func() error { return s.client.DropChain(ctx, s.name) })
}

// ---- reading through the caches ----

// holds says whether the caches may answer now, and the generation of what they may answer.
func (s *Store) holds() (uint64, bool) {
	if s.claim == nil {
		return 0, false
	}
	return s.claim.Holds()
}

// through returns what the cache has of a key, or reads it, and keeps it if nobody else can have changed it meanwhile. It says whether
// the cache had it.
func through[K comparable, V any](s *Store, c *cache[K, V], key K, read func() (V, int, error)) (V, bool, error) {
	generation, holds := s.holds()
	if !holds {
		c.empty()
		value, _, err := read()
		return value, false, err
	}
	value, isHere, ticket := c.lookup(generation, key)
	if isHere {
		return value, true, nil
	}
	value, bytes, err := read()
	after, holds := s.holds()
	if err == nil && holds && after == generation {
		c.keep(ticket, key, value, bytes+entryBytes)
	} else {
		c.drop(ticket, key)
	}
	return value, false, err
}

// sweep makes a write that may change any block and name.
func (s *Store) sweep(write func() error) error {
	s.blocks.beginSweep()
	s.names.beginSweep()
	err := write()
	s.blocks.endSweep(errors.Is(err, cairn.ErrUnknown))
	s.names.endSweep(errors.Is(err, cairn.ErrUnknown))
	return err
}

// absence gives go-datastore's own error for what is not there: its users compare by ==.
func absence(err error) error {
	if errors.Is(err, cairn.ErrNotFound) {
		return ds.ErrNotFound
	}
	return err
}

// annotate adds to the span that store.WithTracingStore began for this call, if it did.
func annotate(ctx context.Context, attributes ...attribute.KeyValue) {
	if ctx == nil {
		return
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attributes...)
	}
}

// ---- height and blocks ----

// Height returns the chain's height, 0 for none.
func (s *Store) Height(ctx context.Context) (uint64, error) {
	if s.closed.Load() {
		return 0, cairn.ErrClosed
	}
	return s.chain.Height(ctx)
}

// GetHeader returns the header of the block at a height.
func (s *Store) GetHeader(ctx context.Context, height uint64) (*types.SignedHeader, error) {
	b, err := s.block(ctx, blockKey{height, cairn.PartHeader})
	if err != nil {
		return nil, fmt.Errorf("load block header: %w", err)
	}
	return b.header, nil
}

// GetBlockData returns header and data of the block at a height, both of one instant.
func (s *Store) GetBlockData(ctx context.Context, height uint64) (*types.SignedHeader, *types.Data, error) {
	b, err := s.block(ctx, blockKey{height, cairn.PartData})
	if err != nil {
		return nil, nil, fmt.Errorf("failed to load block data: %w", err)
	}
	return b.header, b.data, nil
}

// GetSignature returns a copy of the signature of the block at a height.
func (s *Store) GetSignature(ctx context.Context, height uint64) (*types.Signature, error) {
	b, err := s.block(ctx, blockKey{height, cairn.PartSignature})
	if err != nil {
		return nil, fmt.Errorf("failed to retrieve signature from height %v: %w", height, err)
	}
	signature := bytes.Clone(b.signature)
	return (*types.Signature)(&signature), nil
}

// GetBlockByHash returns header and data of the block with that hash, all of one instant.
func (s *Store) GetBlockByHash(ctx context.Context, hash []byte) (*types.SignedHeader, *types.Data, error) {
	b, _, err := s.blockByHash(ctx, hash, cairn.PartHeader|cairn.PartData)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to load height from index %w", err)
	}
	return b.header, b.data, nil
}

// GetSignatureByHash returns the signature of the block with that hash.
func (s *Store) GetSignatureByHash(ctx context.Context, hash []byte) (*types.Signature, error) {
	b, _, err := s.blockByHash(ctx, hash, cairn.PartSignature)
	if err != nil {
		return nil, fmt.Errorf("failed to load hash from index: %w", err)
	}
	return &b.signature, nil
}

func (s *Store) block(ctx context.Context, key blockKey) (block, error) {
	if s.closed.Load() {
		return block{}, cairn.ErrClosed
	}
	if key.height == 0 {
		return block{}, ds.ErrNotFound
	}
	parts := key.part
	if parts == cairn.PartData {
		parts |= cairn.PartHeader
	}
	b, cached, err := through(s, s.blocks, key, func() (block, int, error) {
		raw, err := s.chain.Block(ctx, key.height, parts)
		b, size, err := decoded(raw, parts, err)
		if s.claim != nil && b.header != nil {
			b.header.MemoizeHash() // once, for all who share it
		}
		return b, size, err
	})
	annotate(ctx, attribute.Bool("cairn.cached", cached))
	if err != nil || s.claim == nil {
		return b, err
	}
	b = b.shared()
	if !cached && b.header != nil {
		b.header.InvalidateHash() // as it was decoded: equal to one that was saved
	}
	return b, nil
}

// shared is a copy for one more caller, who may set what is not behind a slice.
func (b block) shared() block {
	if b.header != nil {
		header := *b.header
		b.header = &header
	}
	if b.data != nil {
		data := *b.data
		if data.Metadata != nil {
			metadata := *data.Metadata
			data.Metadata = &metadata
		}
		b.data = &data
	}
	return b
}

func (s *Store) blockByHash(ctx context.Context, hash []byte, parts cairn.BlockParts) (block, int, error) {
	if s.closed.Load() {
		return block{}, 0, cairn.ErrClosed
	}
	if len(hash) == 0 || len(hash) > hashBytesMax {
		return block{}, 0, ds.ErrNotFound
	}
	raw, err := s.chain.BlockByHash(ctx, hash, parts)
	return decoded(raw, parts, err)
}

// decoded returns the parts of a block as ev-node's types, and about how much memory they take.
func decoded(raw cairn.Block, parts cairn.BlockParts, err error) (block, int, error) {
	if err != nil {
		return block{}, 0, absence(err)
	}
	var b block
	size := len(raw.Signature)
	if parts&cairn.PartHeader != 0 {
		b.header = new(types.SignedHeader)
		if err := b.header.UnmarshalBinary(raw.Header); err != nil {
			return block{}, 0, fmt.Errorf("unmarshal block header: %w", err)
		}
		size += 2 * len(raw.Header)
	}
	if parts&cairn.PartData != 0 {
		b.data = new(types.Data)
		if err := b.data.UnmarshalBinary(raw.Data); err != nil {
			return block{}, 0, fmt.Errorf("failed to unmarshal block data: %w", err)
		}
		size += len(raw.Data) + txBytes*len(b.data.Txs)
	}
	b.signature = raw.Signature
	return b, size, nil
}

// ---- metadata ----

// GetMetadata returns a copy of the value of a key.
func (s *Store) GetMetadata(ctx context.Context, key string) ([]byte, error) {
	value, err := s.metadata(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("failed to get metadata for key '%s': %w", key, err)
	}
	return value, nil
}

func (s *Store) metadata(ctx context.Context, key string) ([]byte, error) {
	at, err := metadataOf(key)
	if err != nil {
		return nil, err
	}
	return s.value(ctx, at.name)
}

// value returns a copy of the value of a name.
func (s *Store) value(ctx context.Context, name string) ([]byte, error) {
	if s.closed.Load() {
		return nil, cairn.ErrClosed
	}
	value, cached, err := through(s, s.names, name, func() ([]byte, int, error) {
		value, err := s.chain.Get(ctx, name)
		if errors.Is(err, cairn.ErrNotFound) {
			return nil, len(name), nil
		}
		return value, len(name) + len(value), err
	})
	annotate(ctx, attribute.Bool("cairn.cached", cached))
	switch {
	case err != nil:
		return nil, err
	case value == nil:
		return nil, ds.ErrNotFound
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// SetMetadata sets the value of a key. It is accepted when SetMetadata returns: every reader sees it, and it survives a crash of the
// daemon as long as the client lives. The value is copied before SetMetadata returns.
func (s *Store) SetMetadata(ctx context.Context, key string, value []byte) error {
	if err := s.BatchMetadata(ctx, []store.MetadataKV{{Key: key, Value: value}}, nil); err != nil {
		return fmt.Errorf("failed to set metadata for key '%s': %w", key, err)
	}
	return nil
}

// DeleteMetadata removes a key, accepted as SetMetadata's is. To remove one that is absent is no error.
func (s *Store) DeleteMetadata(ctx context.Context, key string) error {
	if err := s.BatchMetadata(ctx, nil, []string{key}); err != nil {
		return fmt.Errorf("failed to delete metadata for key '%s': %w", key, err)
	}
	return nil
}

// BatchMetadata sets and then deletes keys, all of it or nothing, accepted as SetMetadata's is.
func (s *Store) BatchMetadata(ctx context.Context, puts []store.MetadataKV, deletes []string) error {
	changes := make([]change, 0, len(puts)+len(deletes))
	for _, put := range puts {
		at, err := metadataOf(put.Key)
		if err != nil {
			return err
		}
		changes = append(changes, change{place: at, value: put.Value})
	}
	for _, key := range deletes {
		at, err := metadataOf(key)
		if err != nil {
			return err
		}
		changes = append(changes, change{place: at, isDeleted: true})
	}
	return s.write(ctx, changes...)
}

// change is what a write does with a name.
type change struct {
	place
	value     []byte
	isDeleted bool
}

// operations returns the changes as the client wants them, and the names that they touch.
func operations(changes []change) ([]cairn.Operation, []string) {
	operations := make([]cairn.Operation, len(changes))
	names := make([]string, len(changes))
	for i, change := range changes {
		names[i] = change.name
		switch {
		case change.isDeleted:
			operations[i] = cairn.Delete(change.name)
		case change.height > 0:
			operations[i] = cairn.SetBound(change.name, change.value, change.height)
		default:
			operations[i] = cairn.Set(change.name, change.value)
		}
	}
	return operations, names
}

// write queues the changes, or commits them if the queue could not hold them.
func (s *Store) write(ctx context.Context, changes ...change) error {
	if s.closed.Load() {
		return cairn.ErrClosed
	}
	if len(changes) == 0 {
		return nil
	}
	ctx = cairn.Started(ctx)
	operations, names := operations(changes)
	s.names.beginWrite(names...)
	_, err := s.chain.Write(ctx, operations, cairn.LevelAccepted)
	if errors.Is(err, cairn.ErrTooLarge) {
		_, err = s.chain.Commit(ctx, &cairn.CommitRequest{Metadata: operations})
	}
	s.names.endWrite(errors.Is(err, cairn.ErrUnknown), names...)
	return err
}
