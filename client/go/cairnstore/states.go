package cairnstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/evstack/ev-node/types"
	pb "github.com/evstack/ev-node/types/pb/evnode/v1"
	ds "github.com/ipfs/go-datastore"
	"google.golang.org/protobuf/proto"

	"cairn.invalid/client/go/cairn"
)

// How long GetState waits between two tries, first and at most.
const (
	stateRetryMin = 50 * time.Millisecond
	stateRetryMax = 2 * time.Second
)

// GetState returns the state at the chain's height, both of one instant.
//
// ev-node takes any error of this call for a new chain, and starts again at genesis. So only absence is said at once, when the daemon
// has looked and found nothing; while it cannot be asked, or does not answer the question, GetState tries again until the context
// ends, and logs what it waits for. A state that is there and cannot be decoded is an error, and not [ds.ErrNotFound].
func (s *Store) GetState(ctx context.Context) (types.State, error) {
	var raw cairn.State
	err := s.untilAnswered(ctx, func(ctx context.Context) (err error) {
		raw, err = s.chain.LastState(ctx)
		return err
	})
	if err != nil {
		return types.State{}, fmt.Errorf("failed to retrieve state: %w", absence(err))
	}
	return decodeState(raw.Value)
}

// untilAnswered reads until the daemon has answered, with what is there or with absence, or the context or the store ends. One that was
// over when the call came is waited for no second time.
func (s *Store) untilAnswered(ctx context.Context, read func(ctx context.Context) error) error {
	started := cairn.Started(ctx)
	for wait := stateRetryMin; ; wait = min(2*wait, stateRetryMax) {
		if s.closed.Load() {
			return cairn.ErrClosed
		}
		err := read(started)
		if err == nil || errors.Is(err, cairn.ErrNotFound) || errors.Is(err, cairn.ErrClosed) || !pause(ctx, wait) {
			return err
		}
		slog.Warn("cairnstore: cannot read the last state, trying again", "chain", s.name, "error", err)
	}
}

// pause says false if the context ends first.
func pause(ctx context.Context, wait time.Duration) bool {
	if ctx == nil {
		ctx = context.Background()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// GetStateAtHeight returns the state at a height.
func (s *Store) GetStateAtHeight(ctx context.Context, height uint64) (types.State, error) {
	if s.closed.Load() {
		return types.State{}, cairn.ErrClosed
	}
	raw, err := s.chain.State(ctx, height)
	if errors.Is(err, cairn.ErrNotFound) {
		return types.State{}, fmt.Errorf("get state at height %d: %w", height, ds.ErrNotFound)
	}
	if err != nil {
		return types.State{}, fmt.Errorf("failed to retrieve state at height %d: %w", height, err)
	}
	state, err := decodeState(raw)
	if err != nil {
		return types.State{}, fmt.Errorf("at height %d: %w", height, err)
	}
	return state, nil
}

func decodeState(value []byte) (types.State, error) {
	var message pb.State
	if err := proto.Unmarshal(value, &message); err != nil {
		return types.State{}, fmt.Errorf("failed to unmarshal state from protobuf: %w", err)
	}
	var state types.State
	if err := state.FromProto(&message); err != nil {
		return types.State{}, fmt.Errorf("failed to convert protobuf to state: %w", err)
	}
	return state, nil
}

// DeleteStateAtHeight removes the state at a height. To remove one that is absent is no error. It returns when the removal is safe from
// a crash of the daemon; a power cut may bring the state back, and ev-node's own mark of what it pruned with it, which is written later.
func (s *Store) DeleteStateAtHeight(ctx context.Context, height uint64) error {
	if s.closed.Load() {
		return cairn.ErrClosed
	}
	_, err := s.chain.Commit(ctx, &cairn.CommitRequest{Level: cairn.LevelWritten, DeleteStates: []uint64{height}})
	if err != nil {
		return fmt.Errorf("failed to delete state at height %d: %w", height, err)
	}
	return nil
}
