package cairnstore

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// Reads again what was read: ev-node's own store with its cache over Badger in its process, and cairnstore under a claim.

type benchSide struct {
	name  string
	store store.Store
}

func benchSides(b *testing.B) []benchSide {
	b.Helper()
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: cairntest.Start(b).Socket})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	db, err := Open(context.Background(), client, testChain, Options{})
	if err != nil {
		b.Fatal(err)
	}
	badger, err := store.NewDefaultKVStore(b.TempDir(), "data", "bench")
	if err != nil {
		b.Fatal(err)
	}
	cached, err := store.NewCachedStore(store.New(store.NewEvNodeKVStore(badger)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cached.Close() })
	return []benchSide{{"side=cairn", db.Store()}, {"side=badger", cached}}
}

// benchBlock is a block of 20 kB.
func benchBlock(height uint64) (*types.SignedHeader, *types.Data) {
	header, data := types.GetRandomBlock(height, 0, "bench")
	for range 80 {
		tx := make([]byte, 250)
		rand.Read(tx)
		data.Txs = append(data.Txs, tx)
	}
	return header, data
}

func saveBlock(b *testing.B, s store.Store, header *types.SignedHeader, data *types.Data) {
	b.Helper()
	batch, err := s.NewBatch(context.Background())
	if err == nil {
		err = batch.SaveBlockData(header, data, &header.Signature)
	}
	if err == nil {
		err = batch.SetHeight(header.Height())
	}
	if err == nil {
		err = batch.UpdateState(types.State{ChainID: "bench", InitialHeight: 1, LastBlockHeight: header.Height(), LastBlockTime: time.Unix(0, 0)})
	}
	if err == nil {
		err = batch.Commit()
	}
	if err != nil {
		b.Fatal(err)
	}
}

func benchRow(b *testing.B, row func(b *testing.B, s store.Store)) {
	for _, side := range benchSides(b) {
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			row(b, side.store)
		})
	}
}

func BenchmarkStoreBlockAgain(b *testing.B) {
	benchRow(b, func(b *testing.B, s store.Store) {
		header, data := benchBlock(1)
		saveBlock(b, s, header, data)
		for b.Loop() {
			if _, _, err := s.GetBlockData(context.Background(), 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStoreNameAgain(b *testing.B) {
	benchRow(b, func(b *testing.B, s store.Store) {
		if err := s.BatchMetadata(context.Background(), []store.MetadataKV{{Key: "rhb/1/h", Value: number(1)}}, nil); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.GetMetadata(context.Background(), "rhb/1/h"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStoreAbsentAgain(b *testing.B) {
	benchRow(b, func(b *testing.B, s store.Store) {
		for b.Loop() {
			if _, err := s.GetMetadata(context.Background(), "rhb/2/h"); err == nil {
				b.Fatal("it is there")
			}
		}
	})
}
