package cairnstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

const testChain = "evnode"

// testContext ends long after any test does, so that one that hangs says where.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func openClient(t *testing.T, d *cairntest.Daemon) *cairn.Client {
	t.Helper()
	client, err := cairn.Open(testContext(t), cairn.Options{Socket: d.Socket, Name: t.Name()[:min(len(t.Name()), 64)]})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func openDatastore(t *testing.T, client *cairn.Client, o Options) *Datastore {
	t.Helper()
	d, err := Open(testContext(t), client, testChain, o)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// newStore is a store on a daemon of its own, under a claim.
func newStore(t *testing.T) (*Store, *cairntest.Daemon) {
	t.Helper()
	d := cairntest.Start(t)
	return openDatastore(t, openClient(t, d), Options{}).store, d
}

// saveBlocks commits blocks with their states, one commit each, and returns their headers.
func saveBlocks(t *testing.T, s store.Store, first, last uint64) []*types.SignedHeader {
	t.Helper()
	var headers []*types.SignedHeader
	for height := first; height <= last; height++ {
		header, data := types.GetRandomBlock(height, 3, "test")
		batch, err := s.NewBatch(testContext(t))
		require.NoError(t, err)
		require.NoError(t, batch.SaveBlockData(header, data, &header.Signature))
		require.NoError(t, batch.SetHeight(height))
		require.NoError(t, batch.UpdateState(types.State{ChainID: "test", InitialHeight: 1, LastBlockHeight: height, AppHash: header.AppHash}))
		require.NoError(t, batch.Commit())
		headers = append(headers, header)
	}
	return headers
}

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func hashOf(t *testing.T, header *types.SignedHeader) []byte {
	t.Helper()
	blob, err := header.MarshalBinary()
	require.NoError(t, err)
	hash := sha256.Sum256(blob)
	return hash[:]
}

func requireHeight(t *testing.T, s store.Store, want uint64) {
	t.Helper()
	height, err := s.Height(testContext(t))
	require.NoError(t, err)
	require.Equal(t, want, height)
}

func requireAbsent(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ds.ErrNotFound)
}

// requireBlock reads a block by all the ways there are, twice, so that the second reads come from memory if they may.
func requireBlock(t *testing.T, s store.Store, want *types.SignedHeader) {
	t.Helper()
	ctx := testContext(t)
	for range 2 {
		header, err := s.GetHeader(ctx, want.Height())
		require.NoError(t, err)
		require.Equal(t, want.Hash(), header.Hash())
		header, data, err := s.GetBlockData(ctx, want.Height())
		require.NoError(t, err)
		require.Equal(t, want.Hash(), header.Hash())
		require.NoError(t, types.Validate(header, data))
		signature, err := s.GetSignature(ctx, want.Height())
		require.NoError(t, err)
		require.Equal(t, want.Signature, *signature)
		header, _, err = s.GetBlockByHash(ctx, hashOf(t, want))
		require.NoError(t, err)
		require.Equal(t, want.Hash(), header.Hash())
		signature, err = s.GetSignatureByHash(ctx, hashOf(t, want))
		require.NoError(t, err)
		require.Equal(t, want.Signature, *signature)
	}
}

func requireNoBlock(t *testing.T, s store.Store, gone *types.SignedHeader) {
	t.Helper()
	ctx := testContext(t)
	for range 2 {
		_, err := s.GetHeader(ctx, gone.Height())
		requireAbsent(t, err)
		_, _, err = s.GetBlockData(ctx, gone.Height())
		requireAbsent(t, err)
		_, err = s.GetSignature(ctx, gone.Height())
		requireAbsent(t, err)
		_, _, err = s.GetBlockByHash(ctx, hashOf(t, gone))
		requireAbsent(t, err)
		_, err = s.GetSignatureByHash(ctx, hashOf(t, gone))
		requireAbsent(t, err)
	}
}

func TestStoreBlocksAndStates(t *testing.T) {
	s, d := newStore(t)
	ctx := testContext(t)
	requireHeight(t, s, 0)
	_, err := s.GetState(ctx)
	requireAbsent(t, err)
	headers := saveBlocks(t, s, 1, 5)

	check := func() {
		t.Helper()
		requireHeight(t, s, 5)
		for i, header := range headers {
			requireBlock(t, s, header)
			state, err := s.GetStateAtHeight(ctx, uint64(i+1))
			require.NoError(t, err)
			require.Equal(t, uint64(i+1), state.LastBlockHeight)
		}
		state, err := s.GetState(ctx)
		require.NoError(t, err)
		require.Equal(t, uint64(5), state.LastBlockHeight)
		_, err = s.GetStateAtHeight(ctx, 6)
		requireAbsent(t, err)
		_, err = s.GetHeader(ctx, 0)
		requireAbsent(t, err)
		_, _, err = s.GetBlockByHash(ctx, nil)
		requireAbsent(t, err)
		_, _, err = s.GetBlockByHash(ctx, make([]byte, 65))
		requireAbsent(t, err)
	}
	check()
	d.Restart() // by SIGKILL
	check()

	header, data := types.GetRandomBlock(3, 1, "test") // anew, and without rising
	batch, err := s.NewBatch(ctx)
	require.NoError(t, err)
	require.NoError(t, batch.SaveBlockData(header, data, &header.Signature))
	require.NoError(t, batch.SetHeight(3))
	require.NoError(t, batch.Commit())
	requireHeight(t, s, 5)
	requireBlock(t, s, header)
	_, _, err = s.GetBlockByHash(ctx, hashOf(t, headers[2]))
	requireAbsent(t, err)

	require.NoError(t, s.DeleteStateAtHeight(ctx, 2))
	require.NoError(t, s.DeleteStateAtHeight(ctx, 2))
	_, err = s.GetStateAtHeight(ctx, 2)
	requireAbsent(t, err)
}

func TestStoreMetadata(t *testing.T) {
	s, d := newStore(t)
	ctx := testContext(t)
	_, err := s.GetMetadata(ctx, "d")
	requireAbsent(t, err)
	_, err = s.GetMetadata(ctx, "d") // absence is kept
	requireAbsent(t, err)
	require.NoError(t, s.SetMetadata(ctx, "d", number(7)))
	require.NoError(t, s.SetMetadata(ctx, "empty", nil))
	for range 2 {
		value, err := s.GetMetadata(ctx, "d")
		require.NoError(t, err)
		require.Equal(t, number(7), value)
		value[0] = 99 // the caller's
		value, err = s.GetMetadata(ctx, "empty")
		require.NoError(t, err)
		require.NotNil(t, value)
		require.Empty(t, value)
	}
	d.Restart() // what was accepted is sent again
	value, err := s.GetMetadata(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, number(7), value)

	require.NoError(t, s.BatchMetadata(ctx, []store.MetadataKV{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}}, []string{"b", "d", "none"}))
	value, err = s.GetMetadata(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, []byte("1"), value)
	for _, key := range []string{"b", "d", "none"} {
		_, err = s.GetMetadata(ctx, key)
		requireAbsent(t, err)
	}
	require.NoError(t, s.BatchMetadata(ctx, nil, nil))
	require.NoError(t, s.DeleteMetadata(ctx, "a"))
	_, err = s.GetMetadata(ctx, "a")
	requireAbsent(t, err)
	require.Error(t, s.SetMetadata(ctx, "../h/1", nil))

	large := make([]byte, 17<<20) // above what the queue takes
	large[len(large)-1] = 1
	require.NoError(t, s.SetMetadata(ctx, "large", large))
	value, err = s.GetMetadata(ctx, "large")
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(large), sha256.Sum256(value))
}

func TestStorePrune(t *testing.T) {
	s, _ := newStore(t)
	ctx := testContext(t)
	headers := saveBlocks(t, s, 1, 5)
	for height := uint64(1); height <= 6; height++ {
		require.NoError(t, s.SetMetadata(ctx, store.GetHeightToDAHeightHeaderKey(height), number(height)))
		require.NoError(t, s.SetMetadata(ctx, store.GetHeightToDAHeightDataKey(height), number(height)))
		_, err := s.GetMetadata(ctx, store.GetHeightToDAHeightDataKey(height))
		require.NoError(t, err)
	}
	for _, header := range headers {
		requireBlock(t, s, header)
	}
	require.NoError(t, s.PruneBlocks(ctx, 0))
	require.NoError(t, s.PruneBlocks(ctx, 3))
	for round := range 3 {
		for i, header := range headers {
			height := uint64(i + 1)
			state, err := s.GetStateAtHeight(ctx, height)
			require.NoError(t, err)
			require.Equal(t, height, state.LastBlockHeight)
			for _, key := range []string{store.GetHeightToDAHeightHeaderKey(height), store.GetHeightToDAHeightDataKey(height)} {
				_, err = s.GetMetadata(ctx, key)
				if height <= 3 {
					requireAbsent(t, err)
				} else {
					require.NoError(t, err)
				}
			}
			if height <= 3 {
				requireNoBlock(t, s, header)
			} else {
				requireBlock(t, s, header)
			}
		}
		requireHeight(t, s, 5)
		mark, err := s.GetMetadata(ctx, store.LastPrunedBlockHeightKey)
		require.NoError(t, err)
		require.Equal(t, number(3), mark)
		switch round {
		case 0: // what comes late for a pruned block is gone at once
			require.NoError(t, s.SetMetadata(ctx, store.GetHeightToDAHeightHeaderKey(2), number(9)))
		case 1:
			require.NoError(t, s.PruneBlocks(ctx, 2)) // the mark does not go back
		}
	}
	require.ErrorIs(t, s.PruneBlocks(ctx, 6), cairn.ErrHeight)
	batch, err := s.NewBatch(ctx)
	require.NoError(t, err)
	header, data := types.GetRandomBlock(3, 1, "test")
	require.NoError(t, batch.SaveBlockData(header, data, &header.Signature))
	require.ErrorIs(t, batch.Commit(), cairn.ErrPruned)
}

func TestStoreRollback(t *testing.T) {
	s, _ := newStore(t)
	ctx := testContext(t)
	headers := saveBlocks(t, s, 1, 10)
	set := func(key string, value []byte) { require.NoError(t, s.SetMetadata(ctx, key, value)) }
	want := func(key string, value []byte) {
		t.Helper()
		got, err := s.GetMetadata(ctx, key)
		require.NoError(t, err)
		require.Equal(t, value, got)
	}
	set(store.DAIncludedHeightKey, number(8))
	set(store.LastSubmittedHeaderHeightKey, number(9))
	set("last-submitted-data-height", number(5))
	set("pending_header", []byte("header"))
	set("pending_data", []byte("data"))
	set(store.GetHeightToDAHeightHeaderKey(6), number(1))
	set(store.GetHeightToDAHeightHeaderKey(7), number(1))
	want("pending_header", []byte("header"))

	require.ErrorContains(t, s.Rollback(ctx, 10, true), "already less than or equal")
	require.ErrorContains(t, s.Rollback(ctx, 11, true), "already less than or equal")
	err := s.Rollback(ctx, 6, true)
	require.ErrorContains(t, err, "DA included height is greater than the rollback height: cannot rollback a finalized height")
	require.ErrorIs(t, err, cairn.ErrGuard)
	requireHeight(t, s, 10)
	requireBlock(t, s, headers[9])
	want(store.DAIncludedHeightKey, number(8))

	require.NoError(t, s.Rollback(ctx, 6, false))
	requireHeight(t, s, 6)
	requireBlock(t, s, headers[5])
	for _, header := range headers[6:] {
		requireNoBlock(t, s, header)
		_, err = s.GetStateAtHeight(ctx, header.Height())
		requireAbsent(t, err)
	}
	want(store.DAIncludedHeightKey, number(6))
	want(store.LastSubmittedHeaderHeightKey, number(6))
	want("last-submitted-data-height", number(5))
	want(store.GetHeightToDAHeightHeaderKey(6), number(1))
	for _, key := range []string{store.GetHeightToDAHeightHeaderKey(7), "pending_header", "pending_data"} {
		_, err = s.GetMetadata(ctx, key)
		requireAbsent(t, err)
	}

	headers = append(headers[:6], saveBlocks(t, s, 7, 8)...) // anew
	requireBlock(t, s, headers[6])
	set(store.DAIncludedHeightKey, []byte{1, 2, 3, 4}) // no height: it does not count
	require.NoError(t, s.Rollback(ctx, 7, true))
	require.NoError(t, s.DeleteStateAtHeight(ctx, 5))
	require.ErrorIs(t, s.Rollback(ctx, 5, true), cairn.ErrNoState)
	require.NoError(t, s.PruneBlocks(ctx, 6))
	require.ErrorIs(t, s.Rollback(ctx, 6, true), cairn.ErrPruned)
	requireHeight(t, s, 7)
	requireBlock(t, s, headers[6])
}

func TestBatch(t *testing.T) {
	s, _ := newStore(t)
	ctx := testContext(t)
	batch := func() store.Batch {
		b, err := s.NewBatch(ctx)
		require.NoError(t, err)
		return b
	}
	require.NoError(t, batch().Commit()) // an empty one

	b := batch()
	require.NoError(t, b.Put(ds.NewKey("/m/pending_header"), []byte("h")))
	require.NoError(t, b.Put(ds.NewKey("/m/gone"), []byte("x")))
	require.NoError(t, b.Delete(ds.NewKey("/m/gone")))
	require.NoError(t, b.Put(ds.NewKey("/s/4"), []byte{}))
	require.NoError(t, b.Put(ds.NewKey("/t"), number(4)))
	require.NoError(t, b.Put(ds.NewKey("/x"), []byte("raw")))
	_, err := s.GetMetadata(ctx, "pending_header") // absence is kept, until the commit
	requireAbsent(t, err)
	require.NoError(t, b.Commit())
	require.Error(t, b.Commit())
	value, err := s.GetMetadata(ctx, "pending_header")
	require.NoError(t, err)
	require.Equal(t, []byte("h"), value)
	_, err = s.GetMetadata(ctx, "gone")
	requireAbsent(t, err)
	requireHeight(t, s, 4)
	_, err = s.GetState(ctx)
	require.NoError(t, err)
	value, err = s.chain.Get(ctx, "/0/x")
	require.NoError(t, err)
	require.Equal(t, []byte("raw"), value)

	b = batch()
	require.NoError(t, b.Put(ds.NewKey("/h/7"), []byte("header alone")))
	require.ErrorContains(t, b.Commit(), "block 7")
	b = batch()
	require.NoError(t, b.Delete(ds.NewKey("/d/7")))
	require.ErrorContains(t, b.Commit(), "block 7")
	require.Error(t, batch().Put(ds.NewKey("/t"), []byte("7")))
	require.Error(t, batch().Delete(ds.NewKey("/t")))
	header, data := types.GetRandomBlock(1, 1, "test")
	header.BaseHeader.Height = 0
	require.Error(t, batch().SaveBlockData(header, data, &header.Signature))
	requireHeight(t, s, 4)
}

// What ev-node did before v1.1 with a block that it had not signed yet, and how it cleans up: see migrateLegacyPendingBlock there.
func TestLegacyPendingBlock(t *testing.T) {
	s, _ := newStore(t)
	ctx := testContext(t)
	saveBlocks(t, s, 1, 2)
	header, data := types.GetRandomBlock(3, 2, "test")
	header.Signature = nil
	b, err := s.NewBatch(ctx)
	require.NoError(t, err)
	require.NoError(t, b.SaveBlockData(header, data, &header.Signature))
	require.NoError(t, b.Commit())
	requireHeight(t, s, 2)
	_, _, err = s.GetBlockData(ctx, 3)
	require.NoError(t, err)

	b, err = s.NewBatch(ctx)
	require.NoError(t, err)
	for _, key := range []string{store.GetHeaderKey(3), store.GetDataKey(3), store.GetSignatureKey(3), store.GetIndexKey(hashOf(t, header))} {
		require.NoError(t, b.Delete(ds.NewKey(key)))
	}
	require.NoError(t, b.Commit())
	requireNoBlock(t, s, header)
	requireHeight(t, s, 2)
	requireBlock(t, s, saveBlocks(t, s, 3, 3)[0])
}

// While the daemon is away GetState says nothing; when it is back, what is there.
func TestGetStateWaits(t *testing.T) {
	s, d := newStore(t)
	saveBlocks(t, s, 1, 3)
	d.Kill()
	ctx := cairntest.EndingContext()
	_, err := s.GetState(ctx)
	require.Error(t, err)
	require.Error(t, ctx.Err())
	require.False(t, store.IsNotFound(err))

	result := make(chan error)
	go func() {
		state, err := s.GetState(testContext(t))
		if err == nil && state.LastBlockHeight != 3 {
			err = fmt.Errorf("the state is of height %d", state.LastBlockHeight)
		}
		result <- err
	}()
	d.Restart()
	require.NoError(t, <-result)
}

func TestStoreClose(t *testing.T) {
	d := cairntest.Start(t)
	client := openClient(t, d)
	ctx := testContext(t)
	_, err := client.CreateChain(ctx, testChain)
	require.NoError(t, err)
	s := New(client, testChain, nil)
	require.NoError(t, s.SetMetadata(ctx, "k", []byte("v")))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.SetMetadata(ctx, "k", nil), cairn.ErrClosed)
	_, err = s.GetMetadata(ctx, "k")
	require.ErrorIs(t, err, cairn.ErrClosed)
	_, err = s.GetState(ctx)
	require.ErrorIs(t, err, cairn.ErrClosed)
	_, err = s.NewBatch(ctx)
	require.ErrorIs(t, err, cairn.ErrClosed)
	_, err = s.Height(ctx)
	require.ErrorIs(t, err, cairn.ErrClosed)

	db := openDatastore(t, client, Options{}) // the client is open
	value, err := db.Store().GetMetadata(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, []byte("v"), value)
	require.NoError(t, db.Store().Close()) // as a node does it: the database with it
	require.NoError(t, db.Close())
	_, err = db.Get(ctx, ds.NewKey("k"))
	require.ErrorIs(t, err, cairn.ErrClosed)
	openDatastore(t, client, Options{}) // and the claim is released
}

func TestStoreDrop(t *testing.T) {
	s, _ := newStore(t)
	ctx := testContext(t)
	header := saveBlocks(t, s, 1, 1)[0]
	requireBlock(t, s, header)
	require.NoError(t, s.Drop(ctx))
	_, err := s.GetHeader(ctx, 1)
	require.Error(t, err)
	_, err = s.client.CreateChain(ctx, testChain)
	require.NoError(t, err)
	requireNoBlock(t, s, header)
}

// Contexts as ev-node and go-header pass them: nil, and one that is over.
func TestStoreContexts(t *testing.T) {
	s, _ := newStore(t)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for i, ctx := range []context.Context{nil, over} {
		require.NoError(t, s.SetMetadata(ctx, "k", number(uint64(i))))
		value, err := s.GetMetadata(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, number(uint64(i)), value)
		batch, err := s.NewBatch(ctx)
		require.NoError(t, err)
		require.NoError(t, batch.UpdateState(types.State{LastBlockHeight: uint64(i)}))
		require.NoError(t, batch.SetHeight(uint64(i)))
		require.NoError(t, batch.Commit())
		state, err := s.GetState(ctx)
		require.NoError(t, err)
		require.Equal(t, uint64(i), state.LastBlockHeight)
	}
}

// The spans are those of ev-node; what only the store knows is added to them.
func TestStoreSpans(t *testing.T) {
	s, _ := newStore(t)
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	ctx, span := tracer.Start(testContext(t), "test")
	batch, err := s.NewBatch(ctx)
	require.NoError(t, err)
	require.NoError(t, batch.SetHeight(1))
	require.NoError(t, batch.Commit())
	_, err = s.GetMetadata(ctx, "none")
	require.True(t, errors.Is(err, ds.ErrNotFound))
	span.End()
	got := map[string]bool{}
	for _, attribute := range recorder.Ended()[0].Attributes() {
		got[string(attribute.Key)] = true
	}
	require.Equal(t, map[string]bool{"cairn.sequence": true, "cairn.cached": true}, got)
}

// ends is a log that ends something with its first line.
type ends struct {
	slog.Handler
	once sync.Once
	end  func()
}

func (h *ends) Handle(context.Context, slog.Record) error {
	h.once.Do(h.end)
	return nil
}

func (h *ends) Enabled(context.Context, slog.Level) bool { return true }

// GetState ends with its context also if that ends between two tries, and the daemon with it.
func TestGetStateEndsBetweenTwoTries(t *testing.T) {
	d := cairntest.Start(t)
	s := New(openClient(t, d), "no-such-chain", nil) // which is no absence of a state: it is asked for again
	ctx, cancel := context.WithCancel(testContext(t))
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(&ends{Handler: slog.DiscardHandler, end: func() {
		d.Kill()
		cancel()
	}}))
	said := make(chan error, 1)
	go func() {
		_, err := s.GetState(ctx)
		said <- err
	}()
	select {
	case err := <-said:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}
