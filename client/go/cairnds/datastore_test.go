package cairnds_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/mount"
	"github.com/ipfs/go-datastore/namespace"
	"github.com/ipfs/go-datastore/query"
	dstest "github.com/ipfs/go-datastore/test"
	detectrace "github.com/ipfs/go-detect-race"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
	"cairn.invalid/client/go/cairnds"
)

func init() {
	dstest.ElemCount = 20 // go-datastore's own figure under the race detector
}

var background = context.Background()

// open is a client of the daemon, closed when the test ends.
func open(t *testing.T, daemon *cairntest.Daemon) *cairn.Client {
	t.Helper()
	client, err := cairn.Open(background, cairn.Options{Socket: daemon.Socket, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

var chains atomic.Int64

// fresh is a datastore on a chain of its own.
func fresh(t *testing.T, client *cairn.Client) *cairnds.Datastore {
	t.Helper()
	name := fmt.Sprintf("test-%d", chains.Add(1))
	if _, err := client.CreateChain(background, name); err != nil {
		t.Fatal(err)
	}
	return cairnds.New(client, name)
}

func put(t *testing.T, store ds.Write, key string, value string) {
	t.Helper()
	if err := store.Put(background, ds.RawKey(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// want fails unless the key has that value.
func want(t *testing.T, store ds.Read, key string, value string) {
	t.Helper()
	got, err := store.Get(background, ds.RawKey(key))
	if err != nil || string(got) != value {
		t.Fatalf("%s: %q, %v; want %q", key, got, err, value)
	}
}

// wantNone fails unless the key is absent, and known to be.
func wantNone(t *testing.T, store ds.Read, key string) {
	t.Helper()
	if value, err := store.Get(background, ds.RawKey(key)); err != ds.ErrNotFound || value != nil {
		t.Fatalf("%s: %q, %v; want none", key, value, err)
	}
	if has, err := store.Has(background, ds.RawKey(key)); err != nil || has {
		t.Fatalf("%s: has %v, %v; want none", key, has, err)
	}
	if size, err := store.GetSize(background, ds.RawKey(key)); err != ds.ErrNotFound || size != -1 {
		t.Fatalf("%s: size %d, %v; want none", key, size, err)
	}
}

// go-datastore's own suite, on a chain, and below and beside other datastores.
func TestSuite(t *testing.T) {
	client := open(t, cairntest.Start(t))
	for name, wrap := range map[string]func(ds.Batching) ds.Datastore{
		"plain":     func(store ds.Batching) ds.Datastore { return store },
		"namespace": func(store ds.Batching) ds.Datastore { return namespace.Wrap(store, ds.NewKey("/0")) },
		"mount": func(store ds.Batching) ds.Datastore {
			return mount.New([]mount.Mount{{Prefix: ds.NewKey("/"), Datastore: store}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dstest.SubtestAll(t, wrap(fresh(t, client)))
			if detectrace.WithRace() { // then it leaves them out
				dstest.SubtestCombinations(t, wrap(fresh(t, client)))
			}
		})
	}
}

func TestFeatures(t *testing.T) {
	var found []string
	for _, feature := range ds.FeaturesForDatastore(&cairnds.Datastore{}) {
		found = append(found, feature.Name)
	}
	if strings.Join(found, " ") != "Batching Checked Persistent Transaction" {
		t.Fatal(found)
	}
}

// A key is its name: what another client of the chain sees.
func TestKeysAreNames(t *testing.T) {
	client := open(t, cairntest.Start(t))
	store, chain := cairnds.New(client, "default"), client.Chain("default")
	put(t, store, "/0/t", "1")
	if value, err := chain.Get(background, "/0/t"); err != nil || string(value) != "1" {
		t.Fatalf("%q, %v", value, err)
	}
	for _, name := range []string{"native", "/", "/0/", "/0//", "/1/"} {
		if err := chain.Set(background, name, []byte("2")); err != nil {
			t.Fatal(err)
		}
	}
	put(t, store, "/1/t", "3")
	for _, test := range []struct {
		query query.Query
		want  string
	}{
		{query.Query{KeysOnly: true}, "/ /0/t /1/t"},
		{query.Query{KeysOnly: true, Limit: 2}, "/ /0/t"},
		{query.Query{KeysOnly: true, Limit: 2, Offset: 1}, "/0/t /1/t"},
		{query.Query{KeysOnly: true, Limit: 3, Orders: []query.Order{query.OrderByKeyDescending{}}}, "/1/t /0/t /"},
		{query.Query{KeysOnly: true, Limit: 1, Orders: []query.Order{query.OrderByKeyDescending{}}, Offset: 1}, "/0/t"},
	} {
		if got := keysOf(t, store, test.query); got != test.want {
			t.Errorf("%s: %s; want %s", test.query, got, test.want)
		}
	}
}

func keysOf(t *testing.T, store ds.Read, q query.Query) string {
	t.Helper()
	var keys []string
	for entry, err := range ds.QueryIter(background, store, q) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, ds.RawKey(entry.Key).String()) // which panics on what is no key
	}
	return strings.Join(keys, " ")
}

// A failure is never taken for absence: not of a daemon that is gone, and not of a datastore that is closed.
func TestOnlyAbsenceIsNotFound(t *testing.T) {
	daemon := cairntest.Start(t)
	client := open(t, daemon)
	store := fresh(t, client)
	put(t, store, "/a", "1")
	wantNone(t, store, "/b")

	daemon.Kill()
	fail := func() {
		t.Helper()
		for _, key := range []ds.Key{ds.NewKey("/a"), ds.NewKey("/b")} {
			for name, read := range map[string]func(ctx context.Context) error{
				"get":  func(ctx context.Context) error { _, err := store.Get(ctx, key); return err },
				"has":  func(ctx context.Context) error { _, err := store.Has(ctx, key); return err },
				"size": func(ctx context.Context) error { _, err := store.GetSize(ctx, key); return err },
				"query": func(ctx context.Context) error {
					results, err := store.Query(ctx, query.Query{})
					if err == nil {
						_, err = results.Rest()
					}
					return err
				},
			} {
				if err := read(cairntest.EndingContext()); err == nil || errors.Is(err, ds.ErrNotFound) {
					t.Fatalf("%s of %s: %v", name, key, err)
				}
			}
		}
	}
	fail()

	daemon.Restart()
	want(t, store, "/a", "1") // it was accepted only, and sent again
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	fail()
	if err := store.Put(background, ds.NewKey("/a"), nil); !errors.Is(err, cairn.ErrClosed) {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal("the second Close: ", err)
	}
}

// A stopping node's contexts: over when the call comes, and nil.
func TestContexts(t *testing.T) {
	daemon := cairntest.Start(t)
	store := fresh(t, open(t, daemon))
	over, cancel := context.WithCancel(background)
	cancel()
	for _, ctx := range []context.Context{nil, over} {
		key := ds.NewKey("/a")
		if err := store.Put(ctx, key, []byte("1")); err != nil {
			t.Fatal(err)
		}
		if value, err := store.Get(ctx, key); err != nil || string(value) != "1" {
			t.Fatalf("%q, %v", value, err)
		}
		if size, err := store.GetSize(ctx, key); err != nil || size != 1 {
			t.Fatal(size, err)
		}
		results, err := store.Query(ctx, query.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := results.Rest(); err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		batch, err := store.Batch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		batch.Delete(ctx, key)
		if err := batch.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if has, err := store.Has(ctx, key); err != nil || has {
			t.Fatal(has, err)
		}
		if err := store.Sync(ctx, key); err != nil {
			t.Fatal(err)
		}
	}

	daemon.Kill() // so that a read lasts
	if _, err := store.Get(cairntest.EndingContext(), ds.NewKey("/a")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	daemon.Restart()
}

// What ev-node's queue does when it starts: it deletes what it reads, as it reads.
func TestQueryHeldOpenWhileItsEntriesAreDeleted(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	const count = 2000
	value := strings.Repeat("v", 2000) // in all more than a stream's window
	for i := range count {
		put(t, store, fmt.Sprintf("/q/%06d", i), value)
	}
	results, err := store.Query(background, query.Query{Prefix: "/q"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		result, ok := results.NextSync()
		if !ok || result.Error != nil || result.Key != fmt.Sprintf("/q/%06d", i) || string(result.Value) != value {
			t.Fatal(i, ok, result.Error, result.Key)
		}
		if err := store.Delete(background, ds.RawKey(result.Key)); err != nil {
			t.Fatal(err)
		}
		put(t, store, fmt.Sprintf("/q/1%06d", i), "later") // not of the query's instant
	}
	if result, ok := results.NextSync(); ok {
		t.Fatal(result)
	}
	results.Close()
	results.Close()
}

// Queries that nobody reads, closes or remembers hold up neither each other nor anything else.
func TestForgottenQueries(t *testing.T) {
	client := open(t, cairntest.Start(t))
	store := fresh(t, client)
	for i := range 100 {
		put(t, store, fmt.Sprintf("/%03d", i), strings.Repeat("v", 100_000)) // in all more than a stream's window
	}
	var last query.Results
	for i := range 300 { // more than the streams that a connection may have, and than the daemon carries on at a time
		results, err := store.Query(background, query.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			results.NextSync()
		}
		last = results
	}
	put(t, store, "/a", "1")
	want(t, store, "/a", "1")
	if keys := keysOf(t, store, query.Query{Prefix: "/", Limit: 1}); keys != "/000" {
		t.Fatal(keys)
	}
	runtime.GC()
	if entries, err := last.Rest(); err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
}

// Inside a bubble of testing/synctest every goroutine has to end, and what blocks in one cannot be woken from outside.
func TestInsideSynctest(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	for i := range 100 {
		put(t, store, fmt.Sprintf("/q/%d", i), strings.Repeat("v", 50_000))
	}
	synctest.Test(t, func(t *testing.T) {
		put(t, store, "/a", "1")
		want(t, store, "/a", "1")
		wantNone(t, store, "/b")
		batch, err := store.Batch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		put(t, batch, "/b", "2")
		if err := batch.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, store, "/b", "2")
		if keys := keysOf(t, store, query.Query{Limit: 2}); keys != "/a /b" {
			t.Fatal(keys)
		}
		if forgotten, err := store.Query(t.Context(), query.Query{Prefix: "/q"}); err != nil {
			t.Fatal(err)
		} else if result, ok := forgotten.NextSync(); !ok || result.Error != nil {
			t.Fatal(result.Error)
		}
		if err := store.Sync(t.Context(), ds.NewKey("/")); err != nil {
			t.Fatal(err)
		}
	})
	put(t, store, "/c", "3")
}

// Values that do not fit the daemon's queue go as a commit, behind what was put before; what does not fit a frame is told with its bound.
func TestLargeValues(t *testing.T) {
	if testing.Short() {
		t.Skip("moves half a gigabyte")
	}
	const mebibyte = 1 << 20
	key := ds.NewKey("/large")
	check := func(store *cairnds.Datastore, bytesCount int) {
		t.Helper()
		put(t, store, "/large", "before")
		value := bytes.Repeat([]byte{7}, bytesCount)
		if err := store.Put(background, key, value); err != nil {
			t.Fatal(err)
		}
		if size, err := store.GetSize(background, key); err != nil || size != bytesCount {
			t.Fatal(size, err)
		}
		if got, err := store.Get(background, key); err != nil || !bytes.Equal(got, value) {
			t.Fatal(len(got), err)
		}
	}
	small := fresh(t, open(t, cairntest.Start(t)))
	check(small, 40*mebibyte)
	err := small.Put(background, key, make([]byte, 64*mebibyte))
	if !errors.Is(err, cairn.ErrTooLarge) || !strings.Contains(err.Error(), "67108864") {
		t.Fatal(err)
	}
	batch, err := small.Batch(background)
	if err != nil {
		t.Fatal(err)
	}
	batch.Put(background, key, make([]byte, 40*mebibyte))
	batch.Put(background, ds.NewKey("/other"), make([]byte, 40*mebibyte))
	if err := batch.Commit(background); !errors.Is(err, cairn.ErrTooLarge) {
		t.Fatal(err)
	}
	wantNone(t, small, "/other")

	large := fresh(t, open(t, cairntest.Start(t, "--frame-bytes-max", "256MiB", "--requests-bytes-max", "1GiB")))
	check(large, 64*mebibyte)
	check(large, 120*mebibyte)
}

func TestBatch(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	batch, err := store.Batch(background)
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(background); err != nil {
		t.Fatal("an empty batch: ", err)
	}
	value := []byte("1")
	if err := batch.Put(background, ds.NewKey("/a"), value); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x' // the batch has a copy
	put(t, batch, "/b", "0")
	if err := batch.Delete(background, ds.NewKey("/b")); err != nil {
		t.Fatal(err)
	}
	put(t, batch, "/b", "2")
	put(t, store, "/c", "3")
	if err := batch.Delete(background, ds.NewKey("/c")); err != nil {
		t.Fatal(err)
	}
	wantNone(t, store, "/a")
	if err := batch.Commit(background); err != nil {
		t.Fatal(err)
	}
	want(t, store, "/a", "1")
	want(t, store, "/b", "2")
	wantNone(t, store, "/c")

	put(t, store, "/a", "4") // an emptied batch does not write again
	if err := batch.Commit(background); err != nil {
		t.Fatal(err)
	}
	want(t, store, "/a", "4")
}

func TestTransaction(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	for _, key := range []string{"/a", "/b", "/d"} {
		put(t, store, key, "old")
	}
	txn, err := store.NewTransaction(background, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, txn, "/c", "new")
	put(t, txn, "/a", "new")
	if err := txn.Delete(background, ds.NewKey("/b")); err != nil {
		t.Fatal(err)
	}
	want(t, txn, "/a", "new")
	wantNone(t, txn, "/b")
	want(t, txn, "/d", "old")
	put(t, store, "/d", "newer") // read committed
	want(t, txn, "/d", "newer")
	descending := query.Query{Orders: []query.Order{query.OrderByKeyDescending{}}}
	if keys := keysOf(t, txn, query.Query{}); keys != "/a /c /d" {
		t.Fatal(keys)
	}
	if keys := keysOf(t, txn, descending); keys != "/d /c /a" {
		t.Fatal(keys)
	}
	want(t, store, "/a", "old")
	if err := txn.Commit(background); err != nil {
		t.Fatal(err)
	}
	if keys := keysOf(t, store, descending); keys != "/d /c /a" {
		t.Fatal(keys)
	}
	txn.Discard(background)

	dropped, err := store.NewTransaction(background, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dropped, "/e", "5")
	dropped.Discard(background)
	if err := dropped.Commit(background); err != nil {
		t.Fatal(err)
	}
	wantNone(t, store, "/e")

	reader, err := store.NewTransaction(background, true)
	if err != nil {
		t.Fatal(err)
	}
	want(t, reader, "/a", "new")
	if err := reader.Put(background, ds.NewKey("/a"), nil); err != cairnds.ErrReadOnly {
		t.Fatal(err)
	}
	if err := reader.Delete(background, ds.NewKey("/a")); err != cairnds.ErrReadOnly {
		t.Fatal(err)
	}
}

func TestDiskUsageAndCheck(t *testing.T) {
	store := fresh(t, open(t, cairntest.Start(t)))
	for i := range 64 {
		put(t, store, fmt.Sprintf("/%d", i), strings.Repeat("v", 100_000))
	}
	if err := store.Sync(background, ds.NewKey("/")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.DiskUsage(background); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(background); err != nil {
		t.Fatal(err)
	}
}
