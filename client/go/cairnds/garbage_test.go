//go:build !race

package cairnds_test

import (
	"runtime"
	"testing"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn/cairntest"
)

// A batch of a block's size makes less garbage than the block. Under the race detector a pool drops some of what it is given.
func TestABatchUsesItsMemoryAgain(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	value := make([]byte, 20_000)
	const batches = 300
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range batches {
		batch, err := store.Batch(background)
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Put(background, ds.RawKey("/block"), value); err != nil {
			t.Fatal(err)
		}
		if err := batch.Commit(background); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > batches*uint64(len(value))/2 {
		t.Errorf("%d batches of %d bytes allocated %d", batches, len(value), bytes)
	}
}
