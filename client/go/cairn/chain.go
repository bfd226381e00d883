package cairn

import (
	"context"
	"iter"
	"sync/atomic"
)

// Chain is a namespace with blocks, states, a height and metadata. Get it from [Client.Chain]; it needs no closing.
type Chain struct {
	client *Client
	name   string
	claim  atomic.Pointer[Claim] // the last one, lost or not; nil: none, or it was released

	claiming atomic.Int64 // calls of Claim under way: no number is given, as it could be taken for one of the next epoch's
}

// Name returns the chain's name.
func (ch *Chain) Name() string { return ch.name }

// Client returns the client that the chain belongs to.
func (ch *Chain) Client() *Client { return ch.client }

// read begins a call that reads.
func (ch *Chain) read(kind frameType) *call {
	cl := ch.client.newCall(kind)
	cl.isRead = true
	return cl
}

// Height returns the chain's height, 0 for none.
func (ch *Chain) Height(ctx context.Context) (uint64, error) {
	cl := ch.read(frameHeight)
	cl.frame = encodeChainOnly(cl.frame, frameHeight, ch.name)
	return ch.readUint(ctx, cl)
}

// Usage returns about how many bytes the chain takes on disk.
func (ch *Chain) Usage(ctx context.Context) (uint64, error) {
	cl := ch.read(frameUsage)
	cl.frame = encodeChainOnly(cl.frame, frameUsage, ch.name)
	return ch.readUint(ctx, cl)
}

func (ch *Chain) readUint(ctx context.Context, cl *call) (uint64, error) {
	if err := ch.client.do(ctx, cl, reads); err != nil {
		return 0, err
	}
	defer cl.recycle()
	v, ok := decodeUint(cl.reply, 1)
	if !ok {
		return 0, ch.client.malformed(cl)
	}
	return v, nil
}

// Block reads the parts of the block at a height, from 1. ErrNotFound: there is none, or it is pruned.
func (ch *Chain) Block(ctx context.Context, height uint64, parts BlockParts) (Block, error) {
	return ch.block(ctx, height, nil, parts)
}

// BlockByHash reads the parts of the block with a hash of 1 to 64 bytes, and its height.
func (ch *Chain) BlockByHash(ctx context.Context, hash []byte, parts BlockParts) (Block, error) {
	if hash == nil {
		hash = []byte{} // for the daemon to refuse
	}
	return ch.block(ctx, 0, hash, parts)
}

func (ch *Chain) block(ctx context.Context, height uint64, hash []byte, parts BlockParts) (Block, error) {
	cl := ch.read(frameReadBlock)
	cl.frame = encodeReadBlock(cl.frame, ch.name, height, hash, parts)
	if err := ch.client.do(ctx, cl, reads); err != nil {
		return Block{}, err
	}
	defer cl.recycle()
	block, ok := decodeBlock(cl.takeReply())
	if !ok {
		return Block{}, ch.client.malformed(cl)
	}
	return block, nil
}

// Blocks gives the blocks that there are from first to last, both included, in rising order and of one instant. An error
// is the last thing given. If the connection is lost before the first block, the request is sent again; later, the error
// is ErrBusy. Ending the loop early ends the stream.
func (ch *Chain) Blocks(ctx context.Context, first, last uint64, parts BlockParts) iter.Seq2[Block, error] {
	return ch.blocks(ctx, func(b []byte) []byte { return encodeReadBlocks(b, ch.name, nil, first, last, parts) })
}

// BlocksAt gives the blocks at the heights, at most 16,384, one for one, with Absent set where there is none. It is otherwise
// as Blocks.
func (ch *Chain) BlocksAt(ctx context.Context, heights []uint64, parts BlockParts) iter.Seq2[Block, error] {
	if len(heights) == 0 {
		return func(func(Block, error) bool) {}
	}
	return ch.blocks(ctx, func(b []byte) []byte { return encodeReadBlocks(b, ch.name, heights, 0, 0, parts) })
}

func (ch *Chain) blocks(ctx context.Context, encode func(b []byte) []byte) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		s := ch.client.openStream(ctx, frameReadBlocks, 0, encode)
		defer s.close()
		for {
			message, err := s.next()
			if err != nil {
				yield(Block{}, err)
				return
			}
			if message == nil {
				return
			}
			block, ok := decodeBlock(append([]byte(nil), message...))
			if !ok {
				yield(Block{}, s.malformed())
				return
			}
			if !yield(block, nil) {
				return
			}
		}
	}
}

// State reads the state at a height, from 0. ErrNotFound: there is none, or it is pruned.
func (ch *Chain) State(ctx context.Context, height uint64) ([]byte, error) {
	s, err := ch.state(ctx, &height)
	return s.Value, err
}

// LastState reads the state at the chain's height, both of one instant. ErrNotFound: there is none.
func (ch *Chain) LastState(ctx context.Context) (State, error) { return ch.state(ctx, nil) }

func (ch *Chain) state(ctx context.Context, height *uint64) (State, error) {
	cl := ch.read(frameReadState)
	cl.frame = encodeReadState(cl.frame, ch.name, height)
	if err := ch.client.do(ctx, cl, reads); err != nil {
		return State{}, err
	}
	defer cl.recycle()
	s, ok := decodeState(cl.reply)
	if !ok {
		return State{}, ch.client.malformed(cl)
	}
	s.Value = cl.take(s.Value)
	return s, nil
}

// Get reads the value of a name. ErrNotFound: there is no such name.
func (ch *Chain) Get(ctx context.Context, name string) ([]byte, error) {
	m, err := ch.get(ctx, name, metadataPartsDefault)
	return m.Value, err
}

// GetParts reads what is asked for of a name. ErrNotFound: there is no such name.
func (ch *Chain) GetParts(ctx context.Context, name string, parts MetadataParts) (Metadata, error) {
	return ch.get(ctx, name, parts)
}

func (ch *Chain) get(ctx context.Context, name string, parts MetadataParts) (Metadata, error) {
	cl := ch.read(frameGetMetadata)
	cl.needParts(parts)
	cl.frame = encodeGetMetadata(cl.frame, ch.name, name, parts)
	if err := ch.client.do(ctx, cl, reads); err != nil {
		return Metadata{}, err
	}
	defer cl.recycle()
	reply, ok := decodeMetadata(cl.reply)
	if !ok {
		return Metadata{}, ch.client.malformed(cl)
	}
	m := Metadata{Name: name, OfHeight: reply.ofHeight, Size: reply.size}
	if parts&MetadataValue != 0 {
		m.Value = cl.take(reply.value)
	}
	return m, nil
}

func (cl *call) needParts(parts MetadataParts) {
	if parts != metadataPartsDefault {
		cl.features |= featureLists
	}
}

// GetMany reads what is asked for of several names, at most 16,384, of one instant: one for one, with Absent set where there is none.
// It is otherwise as [Chain.Blocks].
func (ch *Chain) GetMany(ctx context.Context, names []string, parts MetadataParts) iter.Seq2[Metadata, error] {
	return func(yield func(Metadata, error) bool) {
		if len(names) == 0 {
			return
		}
		var features uint64
		if parts != metadataPartsDefault {
			features = featureLists
		}
		c := &MetadataCursor{parts: parts, stream: ch.client.openStream(ctx, frameGetMetadataMany, features, func(b []byte) []byte {
			return encodeGetMetadataMany(b, ch.name, names, parts)
		})}
		c.each(yield)
	}
}

// List gives names, in byte order or in reverse, of one instant. It is otherwise as [Chain.Blocks].
func (ch *Chain) List(ctx context.Context, request ListRequest) iter.Seq2[Metadata, error] {
	return func(yield func(Metadata, error) bool) { ch.openList(ctx, request).each(yield) }
}

func (ch *Chain) openList(ctx context.Context, request ListRequest) *MetadataCursor {
	var features uint64
	if request.End != "" || request.Reverse || request.Parts != metadataPartsDefault {
		features = featureLists
	}
	return &MetadataCursor{parts: request.Parts, stream: ch.client.openStream(ctx, frameListMetadata, features, func(b []byte) []byte {
		return encodeListMetadata(b, ch.name, &request)
	})}
}

// write begins a call that writes.
func (ch *Chain) write(kind frameType) *call {
	cl := ch.client.newCall(kind)
	cl.chain = ch
	return cl
}

// Set sets a name to a value, at level accepted. A value above Limits().ValueBytesMax is ErrTooLarge: set it by a Commit.
func (ch *Chain) Set(ctx context.Context, name string, value []byte) error {
	operations := [1]Operation{Set(name, value)}
	_, err := ch.Write(ctx, operations[:], LevelDefault)
	return err
}

// Delete deletes a name, at level accepted. Deleting what is absent is fine.
func (ch *Chain) Delete(ctx context.Context, name string) error {
	operations := [1]Operation{Delete(name)}
	_, err := ch.Write(ctx, operations[:], LevelDefault)
	return err
}

// Raise raises the number under a name, at level accepted; see the operation [Raise]. One over a value that the daemon cannot read
// is left out, and the next [Client.Barrier] says so.
func (ch *Chain) Raise(ctx context.Context, name string, number uint64) error {
	operations := [1]Operation{Raise(name, number)}
	_, err := ch.Write(ctx, operations[:], LevelDefault)
	return err
}

// Write queues operations, as an atomic batch. LevelDefault is accepted.
func (ch *Chain) Write(ctx context.Context, operations []Operation, level Level) (WriteResult, error) {
	if err := ch.client.mayHold(frameWriteMetadata, operationsBytes(operations)); err != nil {
		return WriteResult{}, err
	}
	cl := ch.write(frameWriteMetadata)
	cl.frame = encodeWriteMetadata(cl.frame, ch.name, operations, level)
	return ch.doWrite(ctx, cl, metadata)
}

// Commit applies a change of the chain, whole or not at all. ErrConflict, with a reason: it was refused.
func (ch *Chain) Commit(ctx context.Context, request *CommitRequest) (WriteResult, error) {
	if err := ch.client.mayHold(frameCommit, request.bytes()); err != nil {
		return WriteResult{}, err
	}
	cl := ch.write(frameCommit)
	if len(request.DeleteBlocks) > 0 {
		cl.features |= featureDeletes
	}
	for i := range request.Metadata {
		if request.Metadata[i].kind == operationDeleteRange {
			cl.features |= featureDeletes
		}
	}
	cl.frame = encodeCommit(cl.frame, ch.name, request)
	cl.bare = len(cl.frame)
	return ch.doWrite(ctx, cl, commits)
}

// Prune drops old blocks and states.
func (ch *Chain) Prune(ctx context.Context, request *PruneRequest) (WriteResult, error) {
	cl := ch.write(framePrune)
	if request.DryRun {
		cl.features = featurePruneDryRun
	}
	cl.frame = encodePrune(cl.frame, ch.name, request)
	return ch.doRemove(ctx, cl, request.DryRun)
}

// Rollback goes back to a height: blocks, states and metadata bound above it go.
func (ch *Chain) Rollback(ctx context.Context, request *RollbackRequest) (WriteResult, error) {
	cl := ch.write(frameRollback)
	cl.frame = encodeRollback(cl.frame, ch.name, request)
	return ch.doRemove(ctx, cl, request.DryRun)
}

// doRemove does a prune or rollback; a dry run of it is a read.
func (ch *Chain) doRemove(ctx context.Context, cl *call, dryRun bool) (WriteResult, error) {
	if dryRun {
		cl.isRead = true
		return ch.doWrite(ctx, cl, reads)
	}
	cl.bare = len(cl.frame)
	return ch.doWrite(ctx, cl, commits)
}

func (ch *Chain) doWrite(ctx context.Context, cl *call, over connKind) (WriteResult, error) {
	if err := ch.client.do(ctx, cl, over); err != nil {
		return WriteResult{}, err
	}
	defer cl.recycle()
	r, _, ok := decodeWriteReply(cl.reply)
	if !ok {
		return WriteResult{}, ch.client.malformed(cl)
	}
	return r, nil
}

// mayHold refuses what no frame holds before it is encoded.
func (c *Client) mayHold(kind frameType, bytes int) error {
	if bound := c.Limits().FrameBytesMax; uint64(bytes) > bound {
		return tooLarge(kind, uint64(bytes), bound)
	}
	return nil
}
