package cairnstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"go.opentelemetry.io/otel/attribute"

	"cairn.invalid/client/go/cairn"
)

const blockParts = cairn.PartHeader | cairn.PartData | cairn.PartSignature

// Batch collects writes for one commit. It is for one goroutine at a time. One that is not committed costs nothing.
type Batch struct {
	store     *Store
	ctx       context.Context
	blocks    map[uint64]*blockChange
	states    map[uint64]stateChange
	metadata  []change // in the order given
	height    uint64   // to rise to
	putHeight bool     // by its key, as DefaultStore does it to roll back
	committed bool
}

var _ store.Batch = (*Batch)(nil)

// blockChange is what a batch does with a block: it is saved or deleted as a whole, though keys name its parts.
type blockChange struct {
	cairn.Block
	set, deleted cairn.BlockParts
}

// stateChange is what a batch does with a state.
type stateChange struct {
	value     []byte
	isDeleted bool
}

// NewBatch begins a batch. It does no I/O. The context is that of Commit.
func (s *Store) NewBatch(ctx context.Context) (store.Batch, error) {
	if s.closed.Load() {
		return nil, cairn.ErrClosed
	}
	return s.newBatch(ctx), nil
}

func (s *Store) newBatch(ctx context.Context) *Batch {
	return &Batch{store: s, ctx: ctx}
}

// SaveBlockData adds a block, encoded before SaveBlockData returns.
func (b *Batch) SaveBlockData(header *types.SignedHeader, data *types.Data, signature *types.Signature) error {
	headerBlob, err := header.MarshalBinary()
	if err != nil {
		return fmt.Errorf("failed to marshal Header to binary: %w", err)
	}
	dataBlob, err := data.MarshalBinary()
	if err != nil {
		return fmt.Errorf("failed to marshal Data to binary: %w", err)
	}
	return b.SaveBlockDataFromBytes(header, headerBlob, dataBlob, signature)
}

// SaveBlockDataFromBytes adds a block whose header and data are encoded already. They and the signature are kept until Commit and must not be
// changed before.
func (b *Batch) SaveBlockDataFromBytes(header *types.SignedHeader, headerBlob, dataBlob []byte, signature *types.Signature) error {
	height := header.Height()
	if height == 0 {
		return fmt.Errorf("failed to put header blob in batch: cairnstore: a block has height 0, blocks begin at 1")
	}
	change := b.block(height)
	change.set, change.deleted = blockParts, 0
	change.Header, change.Data, change.Signature = headerBlob, dataBlob, *signature
	return nil
}

func (b *Batch) block(height uint64) *blockChange {
	change := b.blocks[height]
	if change == nil {
		change = &blockChange{Block: cairn.Block{Height: height}}
		if b.blocks == nil {
			b.blocks = map[uint64]*blockChange{}
		}
		b.blocks[height] = change
	}
	return change
}

// SetHeight lets the commit raise the chain's height to this one, if it is lower then.
func (b *Batch) SetHeight(height uint64) error {
	b.height = max(b.height, height)
	return nil
}

// UpdateState adds a state, at the height of its last block.
func (b *Batch) UpdateState(state types.State) error {
	value, err := state.MarshalBinary()
	if err != nil {
		return fmt.Errorf("failed to marshal state: %w", err)
	}
	b.setState(state.LastBlockHeight, stateChange{value: value})
	return nil
}

func (b *Batch) setState(height uint64, change stateChange) {
	if b.states == nil {
		b.states = map[uint64]stateChange{}
	}
	b.states[height] = change
}

// Put sets what ev-node's own store keeps under a key: metadata, a state, the height (raised, unless all blocks and states above it are
// deleted in the batch: that is a rollback), or header, data and signature of a block, which have to be put together. Other keys are set as
// names, behind ev-node's prefix /0. The value is copied.
func (b *Batch) Put(key ds.Key, value []byte) error {
	return b.put(placeOf(key.String()), append(make([]byte, 0, len(value)), value...))
}

func (b *Batch) put(at place, value []byte) error {
	switch at.kind {
	case keyHeader:
		change := b.block(at.height)
		change.Header = value
		change.put(cairn.PartHeader)
	case keyData:
		change := b.block(at.height)
		change.Data = value
		change.put(cairn.PartData)
	case keySignature:
		change := b.block(at.height)
		change.Signature = value
		change.put(cairn.PartSignature)
	case keyState:
		b.setState(at.height, stateChange{value: value})
	case keyHeight:
		if len(value) != 8 {
			return fmt.Errorf("cairnstore: the height is put with %d bytes, not 8", len(value))
		}
		b.height = max(b.height, binary.LittleEndian.Uint64(value))
		b.putHeight = true
	case keyMetadata, keyOther:
		b.metadata = append(b.metadata, change{place: at, value: value})
	case keyIndex: // comes and goes with its block
	}
	return nil
}

func (c *blockChange) put(part cairn.BlockParts) {
	c.set |= part
	c.deleted &^= part
}

// Delete removes what ev-node's own store keeps under a key. Header, data and signature of a block have to be deleted together. To remove
// what is absent is no error.
func (b *Batch) Delete(key ds.Key) error {
	return b.delete(placeOf(key.String()))
}

func (b *Batch) delete(at place) error {
	switch at.kind {
	case keyHeader:
		b.block(at.height).delete(cairn.PartHeader)
	case keyData:
		b.block(at.height).delete(cairn.PartData)
	case keySignature:
		b.block(at.height).delete(cairn.PartSignature)
	case keyState:
		b.setState(at.height, stateChange{isDeleted: true})
	case keyHeight:
		return fmt.Errorf("cairnstore: the height cannot be deleted: roll back, or drop the chain")
	case keyMetadata, keyOther:
		b.metadata = append(b.metadata, change{place: at, isDeleted: true})
	case keyIndex: // comes and goes with its block
	}
	return nil
}

func (c *blockChange) delete(part cairn.BlockParts) {
	c.deleted |= part
	c.set &^= part
}

// Commit makes the whole batch durable, or changes nothing. It is refused with [cairn.ErrTooLarge] above the daemon's largest frame,
// and with [cairn.ErrConflict] if a block or state is at a pruned height. After an error that is [cairn.ErrUnknown] it may be there or not. A batch
// whose Commit returned nil is at its end.
func (b *Batch) Commit() error {
	if b.store.closed.Load() {
		return cairn.ErrClosed
	}
	if b.committed {
		return fmt.Errorf("failed to commit batch: cairnstore: it was committed before")
	}
	request, err := b.request()
	if err == nil && request != nil {
		err = b.send(request)
	}
	if err != nil {
		return fmt.Errorf("failed to commit batch: %w", err)
	}
	b.committed = true
	return nil
}

// request puts all but the metadata into one commit, nil if the batch is empty.
func (b *Batch) request() (*cairn.CommitRequest, error) {
	if len(b.blocks) == 0 && len(b.states) == 0 && len(b.metadata) == 0 && b.height == 0 {
		return nil, nil
	}
	request := &cairn.CommitRequest{RiseTo: b.height}
	for _, height := range slices.Sorted(maps.Keys(b.blocks)) {
		switch change := b.blocks[height]; {
		case change.set == blockParts:
			request.Blocks = append(request.Blocks, change.Block)
		case change.deleted == blockParts:
			request.DeleteBlocks = append(request.DeleteBlocks, height)
		default:
			return nil, fmt.Errorf("cairnstore: block %d: header, data and signature are put or deleted together", height)
		}
	}
	for _, height := range slices.Sorted(maps.Keys(b.states)) {
		if change := b.states[height]; change.isDeleted {
			request.DeleteStates = append(request.DeleteStates, height)
		} else {
			request.States = append(request.States, cairn.State{Height: height, Value: change.value})
		}
	}
	return request, nil
}

// send makes the commit, or the rollback or prune that it is.
func (b *Batch) send(request *cairn.CommitRequest) error {
	if b.isRollback(request) {
		operations, _ := operations(b.metadata)
		return b.store.rollback(b.ctx, &cairn.RollbackRequest{To: b.height, Metadata: operations})
	}
	if through := b.prunesThrough(request); through > 0 {
		// What is bound to the blocks goes with them.
		rest := slices.DeleteFunc(slices.Clone(b.metadata), func(c change) bool { return 0 < c.height && c.height <= through })
		operations, _ := operations(rest)
		return b.store.prune(b.ctx, &cairn.PruneRequest{BlocksThrough: through, Metadata: operations})
	}
	return b.commit(request)
}

// isRollback recognizes what DefaultStore commits for a rollback: it puts the height, and deletes the blocks and states above it.
func (b *Batch) isRollback(request *cairn.CommitRequest) bool {
	deletes := slices.Concat(request.DeleteBlocks, request.DeleteStates)
	return b.putHeight && len(request.Blocks) == 0 && len(request.States) == 0 && len(deletes) > 0 && slices.Min(deletes) > b.height
}

// prunesThrough recognizes what DefaultStore commits for a prune: it moves its mark, and deletes the blocks up to there and what is bound
// to them. It returns the mark, or 0 if the batch is no prune.
func (b *Batch) prunesThrough(request *cairn.CommitRequest) uint64 {
	if len(request.Blocks)+len(request.States)+len(request.DeleteStates) > 0 || request.RiseTo > 0 || len(request.DeleteBlocks) == 0 {
		return 0
	}
	for _, change := range b.metadata {
		if change.name == prunedName && len(change.value) == 8 {
			through := binary.LittleEndian.Uint64(change.value)
			if slices.Max(request.DeleteBlocks) <= through {
				return through
			}
		}
	}
	return 0
}

// commit commits, and lets the caches forget what that touches.
func (b *Batch) commit(request *cairn.CommitRequest) error {
	blocks := make([]blockKey, 0, 3*len(b.blocks))
	for height := range b.blocks {
		for _, part := range []cairn.BlockParts{cairn.PartHeader, cairn.PartData, cairn.PartSignature} {
			blocks = append(blocks, blockKey{height, part})
		}
	}
	operations, names := operations(b.metadata)
	request.Metadata = operations
	s := b.store
	s.blocks.beginWrite(blocks...)
	s.names.beginWrite(names...)
	result, err := s.chain.Commit(b.ctx, request)
	mayHappen := errors.Is(err, cairn.ErrUnknown)
	s.blocks.endWrite(mayHappen, blocks...)
	s.names.endWrite(mayHappen, names...)
	if err == nil {
		annotate(b.ctx, attribute.Int64("cairn.sequence", int64(result.Sequence)))
	}
	return err
}
