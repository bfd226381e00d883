//go:build go1.25

package cairn_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
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

// A client is closed from inside a bubble while metadata is under way.
func TestCloseInABubble(t *testing.T) {
	d := cairntest.Start(t)
	for range 20 {
		c := open(t, d)
		synctest.Test(t, func(t *testing.T) {
			var group sync.WaitGroup
			for range 20 {
				group.Add(1)
				go func() {
					defer group.Done()
					var err error
					for err == nil {
						err = c.Chain("default").Set(nil, "a", nil)
					}
					if err != cairn.ErrClosed {
						t.Error(err)
					}
				}()
			}
			for c.Stats().Requests < 100 {
				runtime.Gosched()
			}
			must(t, c.Close())
			group.Wait()
		})
	}
}
