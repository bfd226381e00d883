package cairnds_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn/cairntest"
)

// Batches that are filled and committed at the same time, with values that fill the memory that batches use again and values that do
// not fit there, write each its own.
func TestBatchesShareNoValues(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	valueOf := func(writer, round, key int) []byte {
		sizes := []int{0, 1, 20_000, 50_000, 64 << 10, 70_000}
		return bytes.Repeat([]byte{byte(writer*100 + round*10 + key)}, sizes[(writer+round+key)%len(sizes)])
	}
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			for round := range 10 {
				batch, err := store.Batch(background)
				if err != nil {
					t.Error(err)
					return
				}
				for key := range 5 {
					name := ds.RawKey(fmt.Sprintf("/%d/%d", writer, key))
					if err := batch.Put(background, name, []byte("of an earlier put of the same key")); err != nil {
						t.Error(err)
					}
					if err := batch.Put(background, name, valueOf(writer, round, key)); err != nil {
						t.Error(err)
					}
				}
				if err := batch.Commit(background); err != nil {
					t.Error(err)
				}
				for key := range 5 {
					got, err := store.Get(background, ds.RawKey(fmt.Sprintf("/%d/%d", writer, key)))
					if want := valueOf(writer, round, key); err != nil || !bytes.Equal(got, want) {
						t.Errorf("writer %d, round %d, key %d: %d bytes, %v; want %d", writer, round, key, len(got), err, len(want))
					}
				}
			}
		})
	}
	group.Wait()
}
