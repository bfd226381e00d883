package cairnds

import (
	"testing"

	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn"
)

// What the daemon is asked for is no more than the query needs.
func TestPlan(t *testing.T) {
	type filters = []query.Filter
	long := string(make([]byte, nameBytesMax))
	for _, test := range []struct {
		name  string
		query query.Query
		list  cairn.ListRequest
		left  int // filters and orders
	}{
		{"all", query.Query{}, cairn.ListRequest{Prefix: "/", Parts: cairn.MetadataValue}, 0},
		{"keys", query.Query{KeysOnly: true}, cairn.ListRequest{Prefix: "/", Parts: 0}, 0},
		{"sizes", query.Query{KeysOnly: true, ReturnsSizes: true}, cairn.ListRequest{Prefix: "/", Parts: cairn.MetadataSize}, 0},
		{"prefix", query.Query{Prefix: "a//b/"}, cairn.ListRequest{Prefix: "/a/b/", Parts: cairn.MetadataValue}, 0},
		{"descending", query.Query{Orders: []query.Order{&query.OrderByKeyDescending{}, query.OrderByValue{}}},
			cairn.ListRequest{Prefix: "/", Reverse: true, Parts: cairn.MetadataValue}, 0},
		{"by value", query.Query{KeysOnly: true, Orders: []query.Order{query.OrderByValue{}}},
			cairn.ListRequest{Prefix: "/", Parts: cairn.MetadataValue}, 1},
		{"range", query.Query{Filters: filters{
			query.FilterKeyCompare{Op: query.GreaterThan, Key: "/b"}, &query.FilterKeyCompare{Op: query.LessThanOrEqual, Key: "/d"},
			query.FilterKeyCompare{Op: query.GreaterThanOrEqual, Key: "/a"}, query.FilterKeyCompare{Op: query.LessThan, Key: "/e"}}},
			cairn.ListRequest{Prefix: "/", Start: "/b\x00", End: "/d\x00", Parts: cairn.MetadataValue}, 0},
		{"one", query.Query{KeysOnly: true, Filters: filters{query.FilterKeyCompare{Op: query.Equal, Key: "/b"}}},
			cairn.ListRequest{Prefix: "/", Start: "/b", End: "/b\x00", Parts: 0}, 0},
		{"not one", query.Query{KeysOnly: true, Filters: filters{query.FilterKeyCompare{Op: query.NotEqual, Key: "/b"}}},
			cairn.ListRequest{Prefix: "/", Parts: 0}, 1},
		{"values", query.Query{KeysOnly: true, Filters: filters{query.FilterValueCompare{Op: query.Equal}}},
			cairn.ListRequest{Prefix: "/", Parts: cairn.MetadataValue}, 1},
		{"prefixes", query.Query{Prefix: "/a", Filters: filters{query.FilterKeyPrefix{Prefix: "/a/bc"}, &query.FilterKeyPrefix{Prefix: "/"}}},
			cairn.ListRequest{Prefix: "/a/bc", Parts: cairn.MetadataValue}, 0},
		{"bound too long", query.Query{Filters: filters{query.FilterKeyCompare{Op: query.LessThanOrEqual, Key: long}}},
			cairn.ListRequest{Prefix: "/", Parts: cairn.MetadataValue}, 1},
	} {
		p := newPlan(test.query)
		if p.isEmpty || p.list != test.list || len(p.filters)+len(p.orders) != test.left {
			t.Errorf("%s: %+v, empty %v, %d left", test.name, p.list, p.isEmpty, len(p.filters)+len(p.orders))
		}
	}
	for _, empty := range []query.Query{
		{Prefix: long},
		{Prefix: "/a", Filters: filters{query.FilterKeyPrefix{Prefix: "/b"}}},
		{Filters: filters{query.FilterKeyCompare{Op: query.Equal, Key: "/a"}, query.FilterKeyCompare{Op: query.Equal, Key: "/b"}}},
		{Filters: filters{query.FilterKeyPrefix{Prefix: "/" + long}}},
	} {
		if !newPlan(empty).isEmpty {
			t.Errorf("%s: is not known to be empty", empty)
		}
	}
}
