package cairnstore

import (
	"context"
	"errors"
	"testing"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/require"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// evnodeStore is the store that ev-node makes over a database.
func evnodeStore(db ds.Batching) store.Store { return store.New(store.NewEvNodeKVStore(db)) }

// What one of the two stores writes the other finds, block by block.
func TestDatastoreIsTheStore(t *testing.T) {
	db := openDatastore(t, openClient(t, cairntest.Start(t)), Options{})
	ctx := testContext(t)
	native, generic := db.Store(), evnodeStore(db)
	for _, s := range []store.Store{native, generic} {
		requireHeight(t, s, 0)
		_, err := s.GetState(ctx)
		requireAbsent(t, err)
		_, err = s.GetHeader(ctx, 1)
		requireAbsent(t, err)
	}
	headers := saveBlocks(t, native, 1, 3)
	headers = append(headers, saveBlocks(t, generic, 4, 10)...)
	require.NoError(t, native.SetMetadata(ctx, store.GetHeightToDAHeightDataKey(2), number(2)))
	require.NoError(t, generic.SetMetadata(ctx, store.GetHeightToDAHeightDataKey(3), number(3)))
	require.NoError(t, generic.SetMetadata(ctx, store.DAIncludedHeightKey, number(9)))
	require.NoError(t, generic.SetMetadata(ctx, store.LastSubmittedHeaderHeightKey, number(9)))
	all := func(check func(s store.Store)) {
		check(native)
		check(generic)
	}
	all(func(s store.Store) {
		requireHeight(t, s, 10)
		for _, header := range headers {
			requireBlock(t, s, header)
			state, err := s.GetStateAtHeight(ctx, header.Height())
			require.NoError(t, err)
			require.Equal(t, header.Height(), state.LastBlockHeight)
		}
		value, err := s.GetMetadata(ctx, store.DAIncludedHeightKey)
		require.NoError(t, err)
		require.Equal(t, number(9), value)
	})

	require.NoError(t, generic.PruneBlocks(ctx, 2))
	require.ErrorContains(t, generic.Rollback(ctx, 8, true), "cannot rollback a finalized height")
	require.NoError(t, generic.Rollback(ctx, 8, false))
	require.NoError(t, generic.DeleteStateAtHeight(ctx, 5))
	all(func(s store.Store) {
		requireHeight(t, s, 8)
		for _, header := range headers {
			if h := header.Height(); h <= 2 || h > 8 {
				requireNoBlock(t, s, header)
			} else {
				requireBlock(t, s, header)
			}
			_, err := s.GetStateAtHeight(ctx, header.Height())
			if h := header.Height(); h == 5 || h > 8 {
				requireAbsent(t, err)
			} else {
				require.NoError(t, err)
			}
		}
		_, err := s.GetMetadata(ctx, store.GetHeightToDAHeightDataKey(2))
		requireAbsent(t, err)
		_, err = s.GetMetadata(ctx, store.GetHeightToDAHeightDataKey(3))
		require.NoError(t, err)
		for key, want := range map[string]uint64{store.DAIncludedHeightKey: 8, store.LastSubmittedHeaderHeightKey: 8, store.LastPrunedBlockHeightKey: 2} {
			value, err := s.GetMetadata(ctx, key)
			require.NoError(t, err)
			require.Equal(t, number(want), value)
		}
	})
	chains, err := db.store.client.Chains(ctx)
	require.NoError(t, err)
	for _, chain := range chains {
		if chain.Name == testChain {
			require.Equal(t, uint64(2), chain.BlocksPrunedThrough) // a prune it was, and no deletes
		}
	}
}

func TestDatastoreKeys(t *testing.T) {
	db := openDatastore(t, openClient(t, cairntest.Start(t)), Options{})
	ctx := testContext(t)
	header := saveBlocks(t, db.Store(), 1, 1)[0]
	for _, key := range []string{"/0/h/1", "/0/d/1", "/0/c/1", "/0/s/1", "/0/t", "/0" + store.GetIndexKey(hashOf(t, header))} {
		value, err := db.Get(ctx, ds.NewKey(key))
		require.NoError(t, err, key)
		has, err := db.Has(ctx, ds.NewKey(key))
		require.NoError(t, err)
		require.True(t, has, key)
		size, err := db.GetSize(ctx, ds.NewKey(key))
		require.NoError(t, err)
		require.Equal(t, len(value), size, key)
	}
	for _, key := range []string{"/0/h/2", "/0/s/2", "/0/i/AB", "/0/m/none", "/0/other", "/none"} {
		_, err := db.Get(ctx, ds.NewKey(key))
		require.Equal(t, ds.ErrNotFound, err, key)
		has, err := db.Has(ctx, ds.NewKey(key))
		require.NoError(t, err)
		require.False(t, has, key)
	}

	// One batch of the node's and of the store's keys, all of it or nothing.
	batch, err := db.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, batch.Put(ctx, ds.NewKey("/batches/1"), []byte("b")))
	require.NoError(t, batch.Put(ctx, ds.NewKey("/0/m/k"), []byte("k")))
	require.NoError(t, batch.Put(ctx, ds.NewKey("/0/other"), []byte("o")))
	require.NoError(t, batch.Commit(ctx))
	require.NoError(t, db.Put(ctx, ds.NewKey("/batches/2"), []byte("c")))
	require.NoError(t, db.Put(ctx, ds.NewKey("/0/m/l"), []byte("l")))
	require.NoError(t, db.Delete(ctx, ds.NewKey("/0/m/k")))
	for key, want := range map[string]string{"/batches/1": "b", "/batches/2": "c", "/0/other": "o", "/0/m/l": "l"} {
		value, err := db.Get(ctx, ds.NewKey(key))
		require.NoError(t, err, key)
		require.Equal(t, want, string(value))
	}
	value, err := db.Store().GetMetadata(ctx, "l")
	require.NoError(t, err)
	require.Equal(t, []byte("l"), value)
	_, err = db.Store().GetMetadata(ctx, "k")
	requireAbsent(t, err)
	require.Error(t, db.Put(ctx, ds.NewKey("/0/h/5"), []byte("header alone")))
	require.Error(t, db.Delete(ctx, ds.NewKey("/0/d/1")))

	results, err := db.Query(ctx, query.Query{Prefix: "/batches", Orders: []query.Order{query.OrderByKey{}}})
	require.NoError(t, err)
	entries, err := results.Rest()
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "/batches/1", entries[0].Key)
	require.NoError(t, db.Sync(ctx, ds.NewKey("/")))
	require.NoError(t, db.Check(ctx))
}

// A node that starts while the daemon is away waits, whichever of the two stores it has.
func TestDatastoreGetStateWaits(t *testing.T) {
	d := cairntest.Start(t)
	db := openDatastore(t, openClient(t, d), Options{})
	saveBlocks(t, db.Store(), 1, 2)
	d.Kill()
	result := make(chan error)
	go func() {
		state, err := evnodeStore(db).GetState(testContext(t))
		if err == nil && state.LastBlockHeight != 2 {
			err = errors.New("another state")
		}
		result <- err
	}()
	d.Restart()
	require.NoError(t, <-result)
}

// A second node finds the chain claimed, until it takes it over.
func TestDatastoreIsClaimed(t *testing.T) {
	d := cairntest.Start(t)
	db := openDatastore(t, openClient(t, d), Options{WriterName: "the first"})
	second := openClient(t, d)
	ctx, cancel := context.WithCancel(testContext(t))
	result := make(chan error)
	go func() {
		_, err := Open(ctx, second, testChain, Options{})
		result <- err
	}()
	saveBlocks(t, db.Store(), 1, 2)
	cancel()
	err := <-result
	require.Error(t, err)

	taker := openDatastore(t, second, Options{TakeOver: true})
	saveBlocks(t, taker.Store(), 3, 3)
	batch, err := db.Store().NewBatch(testContext(t))
	require.NoError(t, err)
	require.NoError(t, batch.UpdateState(types.State{LastBlockHeight: 3}))
	require.ErrorIs(t, batch.Commit(), cairn.ErrClaimed)
	requireHeight(t, db.Store(), 3)
	require.NoError(t, db.Close())
}

// On a chain that holds no whole chain of blocks no node starts, since it would begin at another height than its own.
func TestOpenRefuses(t *testing.T) {
	client := openClient(t, cairntest.Start(t))
	ctx := testContext(t)
	_, err := client.CreateChain(ctx, testChain)
	require.NoError(t, err)
	for name, text := range map[string]string{importName: "is not over", genericName: "as a name"} {
		require.NoError(t, client.Chain(testChain).Set(ctx, name, nil))
		_, err = Open(ctx, client, testChain, Options{})
		require.ErrorContains(t, err, text)
		require.NoError(t, client.Chain(testChain).Delete(ctx, name)) // the claim is released
	}
	openDatastore(t, client, Options{})
}
