//go:build go1.25

package cairn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// Calls from inside a bubble start no goroutine there, which would be reported at its end, and make no channel there, which the
// client's goroutines could not use.
func TestCallsFromABubble(t *testing.T) {
	d := cairntest.Start(t)
	c := open(t, d)
	ch := c.Chain("default")
	names := fill(t, ch)
	restart, restarted := make(chan struct{}), make(chan struct{})
	defer close(restart)
	go func() { // outside of the bubble
		for range restart {
			d.Restart()
			restarted <- struct{}{}
		}
	}()
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			claim, err := ch.Claim(ctx, cairn.ClaimOptions{TakeOver: true})
			must(t, err)
			claim.Holds()
			must(t, ch.Set(ctx, "a", []byte("1")))
			if _, err := ch.Get(ctx, "a"); err != nil {
				t.Fatal(err)
			}
			_, err = ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 1})
			must(t, err)
			cursor := ch.OpenList(ctx, everything)
			cursor.Next()
			cursor.Close()
			n := 0
			for _, err := range ch.List(ctx, everything) {
				must(t, err)
				n++
			}
			if n != names+1 {
				t.Fatal(n)
			}
			restart <- struct{}{} // the calls wait
			defer func() { <-restarted }()
			if _, err := ch.Get(ctx, "a"); err != nil {
				t.Fatal(err)
			}
			never := uint64(1 << 40)
			if _, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &never}); !errors.Is(err, cairn.ErrHeight) {
				t.Fatal(err)
			}
			must(t, c.Barrier(ctx, cairn.LevelWritten))
			select {
			case <-claim.Lost():
				t.Fatal("lost")
			default:
			}
			must(t, claim.Release(ctx))
			must(t, ch.Set(ctx, "a", nil))
		})
	}
}
