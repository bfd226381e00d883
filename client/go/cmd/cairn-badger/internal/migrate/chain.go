package migrate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"cairn.invalid/client/go/cairn"
)

// claimWait is how long a claim is waited for: above the daemon's claim_grace, for which the claim of a run that was killed is held.
var claimWait = 30 * time.Second // but in a test

// claimed does something while nobody else writes to the chain.
func claimed(ctx context.Context, chain *cairn.Chain, say func(format string, args ...any), do func() error) error {
	options := cairn.ClaimOptions{WriterName: WriterName}
	claim, err := chain.Claim(ctx, options)
	if errors.Is(err, cairn.ErrClaimed) {
		say("%v; waiting for up to %v, in case its holder is gone", err, claimWait)
		options.Wait = true
		waiting, cancel := context.WithTimeout(ctx, claimWait)
		again, waited := chain.Claim(waiting, options)
		if waited == nil || waiting.Err() == nil || ctx.Err() != nil {
			claim, err = again, waited // else who holds it is what there is to say
		}
		cancel()
	}
	if err != nil {
		return err
	}
	err = do()
	if released := claim.Release(context.WithoutCancel(ctx)); err == nil {
		err = released
	}
	return err
}

// blocksIn says what a chain has beside names: a height, a block or a state; "" if nothing.
func blocksIn(ctx context.Context, chain *cairn.Chain) (string, error) {
	at, err := chain.Height(ctx)
	if err != nil || at > 0 {
		return fmt.Sprintf("the height %d", at), err
	}
	for block, err := range chain.Blocks(ctx, 1, math.MaxUint64, 0) {
		return fmt.Sprintf("a block at height %d", block.Height), err
	}
	if _, err := chain.LastState(ctx); err == nil {
		return "a state", nil
	} else if !errors.Is(err, cairn.ErrNotFound) {
		return "", err
	}
	return "", nil
}

// blocks gives the chain's blocks from a height on, with all their parts; a stream that a lost connection ended goes on.
func blocks(ctx context.Context, chain *cairn.Chain, from uint64) iter.Seq2[cairn.Block, error] {
	return func(yield func(cairn.Block, error) bool) {
		for isOver := false; !isOver; {
			isOver = true
			for block, err := range chain.Blocks(ctx, from, math.MaxUint64, cairn.PartsAll) {
				if errors.Is(err, cairn.ErrBusy) && pause(ctx) {
					isOver = false
					break
				}
				if !yield(block, err) || err != nil {
					return
				}
				from = block.Height + 1
			}
		}
	}
}

// list gives the chain's names from one on with their values and bindings, but for ProgressName; a stream that a lost connection ended
// goes on.
func list(ctx context.Context, chain *cairn.Chain, start string) iter.Seq2[cairn.Metadata, error] {
	return func(yield func(cairn.Metadata, error) bool) {
		request := cairn.ListRequest{Start: start, Parts: cairn.MetadataValue | cairn.MetadataBinding}
		for isOver := false; !isOver; {
			isOver = true
			for entry, err := range chain.List(ctx, request) {
				if errors.Is(err, cairn.ErrBusy) && pause(ctx) {
					isOver = false
					break
				}
				if err == nil && entry.Name == ProgressName {
					continue
				}
				if !yield(entry, err) || err != nil {
					return
				}
				request.Start = entry.Name + "\x00" // the next name that there may be
			}
		}
	}
}

// pause waits a little before something is tried again; false if the context is over.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(100 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// requestsAtOnce is how many requests wait for the daemon at a time: enough that it is never idle.
const requestsAtOnce = 64

// parallel does something for 0 to n-1, several at a time, and stops at the first error.
func parallel(n int, do func(at int) error) error {
	var next atomic.Int64
	var once sync.Once
	var failed error
	var group sync.WaitGroup
	for range min(n, requestsAtOnce) {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				at := int(next.Add(1)) - 1
				if at >= n {
					return
				}
				if err := do(at); err != nil {
					once.Do(func() { failed = err })
					next.Store(int64(n))
				}
			}
		}()
	}
	group.Wait()
	return failed
}
