package cairnstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/evstack/ev-node/pkg/store"
	"go.opentelemetry.io/otel/attribute"

	"cairn.invalid/client/go/cairn"
)

// Names that fall or go with blocks that are rolled back.
const (
	includedName        = "m/" + store.DAIncludedHeightKey
	submittedHeaderName = "m/" + store.LastSubmittedHeaderHeightKey
	submittedDataName   = "m/last-submitted-data-height"
	pendingHeaderName   = "m/pending_header"
	pendingDataName     = "m/pending_data"
	prunedName          = "m/" + store.LastPrunedBlockHeightKey
)

// PruneBlocks drops the blocks up to and including a height, with their hashes and the metadata bound to them, and moves ev-node's
// own mark of it along, in one durable commit. States and height stay. It takes time independent of how many blocks go. Pruning up to
// a height that is pruned already changes nothing; above the chain's height it is refused with [cairn.ErrConflict].
func (s *Store) PruneBlocks(ctx context.Context, height uint64) error {
	if height == 0 {
		return nil
	}
	return s.prune(ctx, &cairn.PruneRequest{
		BlocksThrough: height,
		Metadata:      []cairn.Operation{cairn.Raise(prunedName, height)},
	})
}

func (s *Store) prune(ctx context.Context, request *cairn.PruneRequest) error {
	if s.closed.Load() {
		return cairn.ErrClosed
	}
	err := s.sweep(func() error {
		result, err := s.chain.Prune(ctx, request)
		annotate(ctx, attribute.Int64("cairn.sequence", int64(result.Sequence)))
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to prune blocks through %d: %w", request.BlocksThrough, err)
	}
	return nil
}

// Rollback goes back to a height, in one durable commit: blocks, states and bound metadata above it go, and the pending block with them.
// Above the height, an aggregator's mark of what is included in the DA layer refuses the rollback; otherwise that mark is lowered, as the
// marks of what was submitted are in any case, so that blocks made anew are submitted again.
//
// It is refused with [cairn.ErrConflict] if a state was saved for other heights and not for this one, or if this one is pruned, and
// fails if the chain is not above the height. ev-node's sequencer and execution layer keep data of their own, which has to be rolled back there.
func (s *Store) Rollback(ctx context.Context, height uint64, aggregator bool) error {
	ctx = cairn.Started(ctx)
	current, err := s.Height(ctx)
	if err != nil {
		return fmt.Errorf("failed to get current height: %w", err)
	}
	if current <= height {
		return fmt.Errorf("current height %d is already less than or equal to rollback height %d", current, height)
	}
	err = s.rollback(ctx, &cairn.RollbackRequest{
		To:     height,
		Guards: []cairn.Guard{{Name: includedName, Lower: !aggregator, PassMalformed: true}},
	})
	if errors.Is(err, cairn.ErrGuard) {
		return fmt.Errorf("DA included height is greater than the rollback height: cannot rollback a finalized height: %w", err)
	}
	return err
}

// rollback adds what falls and goes in any case.
func (s *Store) rollback(ctx context.Context, request *cairn.RollbackRequest) error {
	if s.closed.Load() {
		return cairn.ErrClosed
	}
	for _, name := range []string{submittedHeaderName, submittedDataName} {
		request.Guards = append(request.Guards, cairn.Guard{Name: name, Lower: true, PassMalformed: true})
	}
	request.Metadata = append(request.Metadata, cairn.Delete(pendingHeaderName), cairn.Delete(pendingDataName))
	err := s.sweep(func() error {
		result, err := s.chain.Rollback(ctx, request)
		annotate(ctx, attribute.Int64("cairn.sequence", int64(result.Sequence)))
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to roll back to height %d: %w", request.To, err)
	}
	return nil
}
