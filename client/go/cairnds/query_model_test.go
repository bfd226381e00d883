package cairnds_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
	"cairn.invalid/client/go/cairnds"
)

// generator draws keys, values and queries from few enough that they meet.
type generator struct{ *rand.Rand }

func (g generator) key() string {
	key := ""
	for range 1 + g.IntN(3) {
		key += []string{"/a", "/b", "/ab", "/a b", "/\xff", "/b\x00"}[g.IntN(6)]
	}
	return key
}

func (g generator) filter() query.Filter {
	op := []query.Op{query.Equal, query.NotEqual, query.GreaterThan, query.GreaterThanOrEqual, query.LessThan, query.LessThanOrEqual}[g.IntN(6)]
	switch g.IntN(4) {
	case 0:
		return query.FilterKeyPrefix{Prefix: []string{"", "/", "/a", "/b/", "x"}[g.IntN(5)]}
	case 1:
		return &query.FilterValueCompare{Op: op, Value: []byte{byte(g.IntN(4))}}
	case 2:
		return &query.FilterKeyCompare{Op: op, Key: g.key()}
	}
	return query.FilterKeyCompare{Op: op, Key: []string{"", "/", "/a/", g.key()}[g.IntN(4)]}
}

func (g generator) query() query.Query {
	q := query.Query{
		Prefix:       []string{"", "/", "/a", "a//b/", "/b/../a", "/c"}[g.IntN(6)],
		KeysOnly:     g.IntN(2) == 0,
		ReturnsSizes: g.IntN(2) == 0,
		Offset:       max(0, g.IntN(8)-4),
		Limit:        max(0, g.IntN(8)-4),
	}
	for range max(0, g.IntN(4)-1) {
		q.Filters = append(q.Filters, g.filter())
	}
	switch g.IntN(5) {
	case 0:
		q.Orders = []query.Order{query.OrderByKey{}}
	case 1:
		q.Orders = []query.Order{query.OrderByKeyDescending{}, query.OrderByValue{}}
	case 2:
		q.Orders = []query.Order{query.OrderByValue{}, &query.OrderByKeyDescending{}}
	}
	return q
}

// Queries of a datastore, and of a transaction with writes of its own, against what go-datastore makes of all entries of a map.
func TestQueriesOfAModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	client := open(t, cairntest.Start(t))
	for range 20 {
		store, model := fresh(t, client), map[string][]byte{}
		write := func(to ds.Write) {
			key, value := g.key(), bytes.Repeat([]byte{byte(g.IntN(4))}, g.IntN(4))
			var err error
			if g.IntN(4) == 0 {
				delete(model, key)
				err = to.Delete(background, ds.RawKey(key))
			} else {
				model[key] = value
				err = to.Put(background, ds.RawKey(key), value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range g.IntN(60) {
			write(store)
		}
		setForeignNames(t, client, store)
		for range 25 {
			checkQuery(t, store, model, g.query())
		}
		transaction, err := store.NewTransaction(background, false)
		if err != nil {
			t.Fatal(err)
		}
		for range g.IntN(30) {
			write(transaction)
		}
		for range 25 {
			checkQuery(t, transaction, model, g.query())
		}
		if err := transaction.Commit(background); err != nil {
			t.Fatal(err)
		}
		checkQuery(t, store, model, query.Query{})
	}
}

// setForeignNames sets names that are no keys, which queries have to pass over.
func setForeignNames(t *testing.T, client *cairn.Client, store *cairnds.Datastore) {
	t.Helper()
	for _, name := range []string{"a", "m/d", "/a/", "/a/b/", "/b//", "/\xff/"} {
		if err := client.Chain(store.Chain()).Set(background, name, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkQuery(t *testing.T, store ds.Read, model map[string][]byte, q query.Query) {
	t.Helper()
	var all []query.Entry
	for _, key := range slices.Sorted(maps.Keys(model)) {
		all = append(all, query.Entry{Key: key, Value: model[key], Size: len(model[key])})
	}
	wanted, err := query.NaiveQueryApply(q, query.ResultsWithEntries(q, all)).Rest()
	if err != nil {
		t.Fatal(err)
	}
	results, err := store.Query(background, q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	found, err := results.Rest()
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	for i, entry := range wanted {
		if q.KeysOnly {
			entry.Value = nil
		}
		if i >= len(found) || found[i].Key != entry.Key || !bytes.Equal(found[i].Value, entry.Value) ||
			((!q.KeysOnly || q.ReturnsSizes) && found[i].Size != entry.Size) {
			t.Fatalf("%s: entry %d: %s; want %s", q, i, describe(found), describe(wanted))
		}
	}
	if len(found) != len(wanted) {
		t.Fatalf("%s: %s; want %s", q, describe(found), describe(wanted))
	}
}

func describe(entries []query.Entry) (text string) {
	for _, entry := range entries {
		text += fmt.Sprintf("%q=%d/%d ", entry.Key, entry.Value, entry.Size)
	}
	return text
}
