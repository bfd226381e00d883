package cairnds

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn"
)

// plan is a query in two parts: the list that the daemon makes of it, and what is left to do here with its entries.
type plan struct {
	list    cairn.ListRequest
	isEmpty bool           // no name can satisfy the query
	filters []query.Filter // that say nothing of which names to list
	orders  []query.Order  // where the order of the list is not the one asked for
	offset  int
	limit   int  // 0: all
	sheds   bool // values are needed to filter or sort, but not asked for
}

// nameBytesMax bounds the names of a chain, and so what can bound a list.
const nameBytesMax = 1024

// newPlan gives the daemon the prefix, the filters of keys, the order of keys, and the limit unless something left here needs more.
func newPlan(q query.Query) plan {
	p := plan{offset: q.Offset, limit: q.Limit}
	p.list.Prefix = "/"
	if prefix := path.Clean("/" + q.Prefix); prefix != "/" {
		p.list.Prefix = prefix + "/" // a key's descendants, and not the key
	}
	needsValues := !q.KeysOnly
	for _, filter := range q.Filters {
		if !p.narrow(filter) {
			p.filters = append(p.filters, filter)
			needsValues = needsValues || !isOfKeys(filter)
		}
	}
	if len(q.Orders) > 0 {
		switch q.Orders[0].(type) { // no two entries have the same key: what comes behind it decides nothing
		case query.OrderByKey, *query.OrderByKey:
		case query.OrderByKeyDescending, *query.OrderByKeyDescending:
			p.list.Reverse = true
		default:
			p.orders = q.Orders
			needsValues = true
		}
	}
	switch {
	case needsValues:
		p.list.Parts = cairn.MetadataValue
		p.sheds = q.KeysOnly
	case q.ReturnsSizes:
		p.list.Parts = cairn.MetadataSize
	}
	p.isEmpty = p.isEmpty || len(p.list.Prefix) > nameBytesMax || p.list.End != "" && p.list.Start >= p.list.End
	return p
}

func isOfKeys(filter query.Filter) bool {
	switch filter.(type) {
	case query.FilterKeyCompare, *query.FilterKeyCompare, query.FilterKeyPrefix, *query.FilterKeyPrefix:
		return true
	}
	return false
}

// narrow lets the list pass over what the filter refuses. It returns whether that does all that the filter would.
func (p *plan) narrow(filter query.Filter) bool {
	switch f := filter.(type) {
	case *query.FilterKeyCompare:
		return p.narrowToCompared(f.Op, f.Key)
	case query.FilterKeyCompare:
		return p.narrowToCompared(f.Op, f.Key)
	case *query.FilterKeyPrefix:
		return p.narrowToPrefix(f.Prefix)
	case query.FilterKeyPrefix:
		return p.narrowToPrefix(f.Prefix)
	}
	return false
}

func (p *plan) narrowToPrefix(prefix string) bool {
	switch {
	case strings.HasPrefix(prefix, p.list.Prefix):
		p.list.Prefix = prefix
	case !strings.HasPrefix(p.list.Prefix, prefix):
		p.isEmpty = true
	}
	return true
}

func (p *plan) narrowToCompared(op query.Op, key string) bool {
	next := key + "\x00" // the first name above it
	if key == "" || len(next) > nameBytesMax {
		return false
	}
	switch op {
	case query.Equal:
		p.raiseStart(key)
		p.lowerEnd(next)
	case query.GreaterThan:
		p.raiseStart(next)
	case query.GreaterThanOrEqual:
		p.raiseStart(key)
	case query.LessThan:
		p.lowerEnd(key)
	case query.LessThanOrEqual:
		p.lowerEnd(next)
	default:
		return false
	}
	return true
}

func (p *plan) raiseStart(start string) {
	p.list.Start = max(p.list.Start, start)
}

func (p *plan) lowerEnd(end string) {
	if p.list.End == "" || end < p.list.End {
		p.list.End = end
	}
}

// lists says whether the list may hold that name.
func (p *plan) lists(name string) bool {
	return strings.HasPrefix(name, p.list.Prefix) && name >= p.list.Start && (p.list.End == "" || name < p.list.End)
}

// Query returns the entries of one instant that satisfy the query. The daemon carries out the prefix, filters and orders of keys, limit,
// and what of each entry is asked for; other filters and orders are carried out here, and an order other than of keys reads all first.
// With KeysOnly and without ReturnsSizes Size is -1. Expirations are not known here.
//
// Entries come as they are read, so the results are to be closed or read to their end; those that are forgotten are closed by the
// garbage collector, and hold up nobody until then. They end with the context's error if it ends while they are read.
func (d *Datastore) Query(ctx context.Context, q query.Query) (query.Results, error) {
	return d.query(ctx, q, nil)
}

// query is Query over the chain with a transaction's writes, or nil, laid over it.
func (d *Datastore) query(ctx context.Context, q query.Query, over *writes) (query.Results, error) {
	if d.closed.Load() {
		return nil, cairn.ErrClosed
	}
	p := newPlan(q)
	if p.isEmpty {
		return query.ResultsWithEntries(q, nil), nil
	}
	s := &source{chain: d.chain, ctx: cairn.Started(ctx), request: p.list}
	if over != nil {
		s.own = over.sorted(p.lists)
		if p.list.Reverse {
			slices.Reverse(s.own)
		}
	}
	if p.limit > 0 && len(p.filters) == 0 && len(p.orders) == 0 && len(s.own) == 0 {
		s.request.Limit = uint64(p.offset) + uint64(p.limit)
	}
	s.open()
	results := query.ResultsFromIterator(q, query.Iterator{Next: s.next, Close: s.close})
	for _, filter := range p.filters {
		results = query.NaiveFilter(results, filter)
	}
	if len(p.orders) > 0 {
		entries, err := results.Rest()
		results.Close()
		if err != nil {
			return nil, err
		}
		query.Sort(p.orders, entries)
		results = query.ResultsWithEntries(q, entries)
	}
	if p.offset > 0 {
		results = query.NaiveOffset(results, p.offset)
	}
	if p.limit > 0 {
		results = query.NaiveLimit(results, p.limit)
	}
	if p.sheds {
		results = shed(results)
	}
	return results, nil
}

// shed takes away the values that were only needed here.
func shed(results query.Results) query.Results {
	return query.ResultsFromIterator(results.Query(), query.Iterator{
		Next: func() (query.Result, bool) {
			result, ok := results.NextSync()
			result.Value = nil
			return result, ok
		},
		Close: results.Close,
	})
}
