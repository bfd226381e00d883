package cairnds_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
	"cairn.invalid/client/go/cairnds"
)

// Two nodes on one chain: the second is refused, waits, or takes over, and then the first can write no more.
func TestClaims(t *testing.T) {
	daemon := cairntest.Start(t)
	first, second := open(t, daemon), open(t, daemon)
	a, err := cairnds.Open(background, first, "node", cairnds.Options{WriterName: "node-a"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, a, "/a", "1")
	soon, cancel := context.WithTimeout(background, 200*time.Millisecond)
	defer cancel()
	if _, err := cairnds.Open(soon, second, "node", cairnds.Options{}); !errors.Is(err, cairn.ErrClaimed) ||
		!strings.Contains(err.Error(), "node-a") {
		t.Fatal(err)
	}
	beside := cairnds.New(second, "node")
	want(t, beside, "/a", "1")
	if err := beside.Put(background, ds.NewKey("/a"), nil); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}

	opened := make(chan *cairnds.Datastore)
	go func() {
		b, err := cairnds.Open(background, second, "node", cairnds.Options{WriterName: "node-b"})
		if err != nil {
			t.Error(err)
		}
		opened <- b
	}()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := <-opened
	if b == nil {
		t.FailNow()
	}
	want(t, b, "/a", "1")
	put(t, b, "/a", "2")

	c, err := cairnds.Open(background, first, "node", cairnds.Options{TakeOver: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, c, "/a", "2")
	if err := b.Put(background, ds.NewKey("/a"), nil); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	if err := b.Check(background); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, c, "/a", "3")
	if err := c.Check(background); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// A chain that a node must not take for an empty one is refused, and left unclaimed.
func TestForeignChains(t *testing.T) {
	client := open(t, cairntest.Start(t))
	for name, commit := range map[string]*cairn.CommitRequest{
		"native":    {Blocks: []cairn.Block{{Height: 7}}, RiseTo: 7},
		"importing": {Metadata: []cairn.Operation{cairn.Set("cairn-badger/import", nil)}},
	} {
		if _, err := client.CreateChain(background, name); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Chain(name).Commit(background, commit); err != nil {
			t.Fatal(err)
		}
		if _, err := cairnds.Open(background, client, name, cairnds.Options{}); !errors.Is(err, cairnds.ErrForeign) {
			t.Fatalf("%s: %v", name, err)
		}
		claim, err := client.Chain(name).Claim(background, cairn.ClaimOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := claim.Release(background); err != nil {
			t.Fatal(err)
		}
	}
}

// A node that was killed released nothing: its successor waits until the claim is held no more.
func TestSuccessor(t *testing.T) {
	daemon := cairntest.Start(t, "--claim-grace", "200ms")
	killed := open(t, daemon)
	store, err := cairnds.Open(background, killed, "node", cairnds.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "/a", "1")
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	successor, err := cairnds.Open(background, open(t, daemon), "node", cairnds.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, successor, "/a", "1")
	put(t, successor, "/a", "2")
	if err := successor.Close(); err != nil {
		t.Fatal(err)
	}
}

// Puts and batches go on while the daemon is killed again and again: none fails, none is lost, a batch is whole.
func TestKilledDaemon(t *testing.T) {
	daemon := cairntest.Start(t)
	store, err := cairnds.Open(background, open(t, daemon), "node", cairnds.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const writers, kills = 4, 5
	stop := make(chan struct{})
	var group sync.WaitGroup
	written := make([]int, writers)
	for w := range writers {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				value := fmt.Sprint(written[w] + 1)
				if w%2 == 0 {
					if err := store.Put(background, ds.NewKey(fmt.Sprintf("/%d/a", w)), []byte(value)); err != nil {
						t.Error(err)
						return
					}
				} else {
					batch, err := store.Batch(background)
					if err != nil {
						t.Error(err)
						return
					}
					for _, name := range []string{"a", "b"} {
						batch.Put(background, ds.NewKey(fmt.Sprintf("/%d/%s", w, name)), []byte(value))
					}
					if err := batch.Commit(background); err != nil {
						t.Error(err)
						return
					}
				}
				written[w]++
			}
		})
	}
	for range kills {
		time.Sleep(100 * time.Millisecond)
		daemon.Kill()
		daemon.Restart()
		if _, err := store.Has(background, ds.NewKey("/0/a")); err != nil { // it serves again
			t.Fatal(err)
		}
	}
	close(stop)
	group.Wait()
	for w := range writers {
		if written[w] == 0 {
			continue
		}
		want(t, store, fmt.Sprintf("/%d/a", w), fmt.Sprint(written[w]))
		if w%2 == 1 {
			want(t, store, fmt.Sprintf("/%d/b", w), fmt.Sprint(written[w]))
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}
