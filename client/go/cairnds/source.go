package cairnds

import (
	"bytes"
	"context"
	"strings"

	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn"
)

// source gives a query's entries in the order of its list: those of the daemon, with a transaction's own in their places.
type source struct {
	chain   *cairn.Chain
	ctx     context.Context // of the query, which is read after the call that began it
	request cairn.ListRequest
	cursor  *cairn.MetadataCursor

	stored  cairn.Metadata // the list's next key, if hasOne
	hasOne  bool
	last    string // the name that was read last
	isShort bool   // a name that is no key counted towards the list's limit
	isOver  bool

	own []write // the transaction's, in the list's order, those not yet given
}

func (s *source) open() {
	s.cursor = s.chain.OpenList(s.ctx, s.request)
}

// close may be called any number of times. What was read before stays the caller's.
func (s *source) close() error {
	s.isOver = true
	s.cursor.Close()
	return nil
}

func (s *source) next() (query.Result, bool) {
	for !s.isOver {
		s.advance()
		if !s.hasOne {
			if err := s.cursor.Err(); err != nil {
				s.isOver = true
				return query.Result{Error: err}, true
			}
		}
		switch {
		case len(s.own) > 0 && s.comesFirst(s.own[0].key):
			own := s.own[0]
			s.own = s.own[1:]
			s.hasOne = s.hasOne && s.stored.Name != own.key // replaced or deleted by it
			if !own.isDeleted {
				return s.entry(own.key, bytes.Clone(own.value), uint64(len(own.value))), true
			}
		case s.hasOne:
			s.hasOne = false
			return s.entry(s.stored.Name, s.stored.Value, s.stored.Size), true
		default:
			return query.Result{}, false
		}
	}
	return query.Result{}, false
}

// comesFirst says whether that name is to be given before the list's next, or in its place.
func (s *source) comesFirst(name string) bool {
	switch {
	case !s.hasOne:
		return true
	case s.request.Reverse:
		return name >= s.stored.Name
	}
	return name <= s.stored.Name
}

func (s *source) entry(name string, value []byte, size uint64) query.Result {
	switch s.request.Parts {
	case cairn.MetadataValue:
		return query.Result{Entry: query.Entry{Key: name, Value: value, Size: len(value)}}
	case cairn.MetadataSize:
		return query.Result{Entry: query.Entry{Key: name, Size: int(size)}}
	}
	return query.Result{Entry: query.Entry{Key: name, Size: -1}}
}

// advance reads the list's next key, unless it is there. Names that are no keys are passed over.
func (s *source) advance() {
	for !s.hasOne {
		metadata, ok := s.cursor.Next()
		if !ok {
			if !s.isShort || s.cursor.Err() != nil {
				return
			}
			s.goOn()
			continue
		}
		isRepeated := metadata.Name == s.last // where goOn began
		s.last = metadata.Name
		switch {
		case isRepeated:
		case isKey(metadata.Name):
			s.stored, s.hasOne = metadata, true
		default:
			s.isShort = s.request.Limit > 0
		}
	}
}

// goOn lists what lies behind the last name read, without a limit: whoever reads stops at the query's own.
func (s *source) goOn() {
	if s.request.Reverse {
		s.request.End = s.last
	} else {
		s.request.Start = s.last
	}
	s.request.Limit, s.isShort = 0, false
	s.open()
}

// isKey says whether a name is a key of go-datastore; ds.RawKey panics on others.
func isKey(name string) bool {
	return name == "/" || strings.HasPrefix(name, "/") && !strings.HasSuffix(name, "/")
}
