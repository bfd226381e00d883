package migrate

import (
	"bytes"
	"context"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// name is one key of a directory that becomes a name of a chain.
type name struct {
	key   []byte // in the directory
	name  string
	bound uint64 // the height that it is bound to; 0: none
	value []byte
}

// scope says which keys become names.
type scope uint8

const (
	scopeAll      scope = iota // generic: every key, as it is
	scopeNames                 // native: what is not a block, a state, an index entry or the height
	scopeRaw                   // of these the keys that are names as they are
	scopeMetadata              // and the others
)

// readNames gives the names in the byte order of their keys, from behind a key on; an empty one is before all.
func readNames(source *Source, survey *Survey, scope scope, behind []byte) iter.Seq2[name, error] {
	return func(yield func(name, error) bool) {
		txn := source.DB.NewTransaction(false)
		defer txn.Discard()
		options := badger.DefaultIteratorOptions
		options.PrefetchValues = false // they may be large, and most are not wanted
		iterator := txn.NewIterator(options)
		defer iterator.Close()
		for iterator.Seek(behind); iterator.Valid(); {
			item := iterator.Item()
			if len(behind) > 0 && bytes.Equal(item.Key(), behind) {
				iterator.Next()
				continue
			}
			next, kind := toName(survey, scope, item.KeyCopy(nil))
			switch kind {
			case otherKind:
				skip(iterator, survey)
				continue
			case leftOut:
				iterator.Next()
				continue
			}
			var err error
			if next.value, err = item.ValueCopy(nil); err != nil {
				yield(name{}, faultf("%q cannot be read: %w", next.key, err))
				return
			}
			if !yield(next, nil) {
				return
			}
			iterator.Next()
		}
	}
}

// wanted says whether a key becomes a name.
type wanted uint8

const (
	isName    wanted = iota
	leftOut          // this one does not
	otherKind        // none of its kind does
)

// toName says what a key is called in the chain, and whether it is one of the scope.
func toName(survey *Survey, scope scope, key []byte) (name, wanted) {
	if scope == scopeAll {
		return name{key: key, name: string(key)}, isName
	}
	parsed := survey.Layout.Parse(key)
	switch {
	case parsed.Kind == evnode.Raw && scope != scopeMetadata:
		return name{key: key, name: string(parsed.Name)}, isName
	case parsed.Kind == evnode.Raw, parsed.Kind == evnode.Height:
		return name{}, leftOut
	case parsed.Kind == evnode.Metadata && scope != scopeRaw:
		if parsed.Height > 0 && parsed.Height <= survey.BlocksPruned {
			return name{}, leftOut
		}
		return name{key: key, name: string(parsed.Name), bound: parsed.Height}, isName
	}
	return name{}, otherKind
}

// skip goes on behind a key that is not wanted. The keys of blocks, states and the index, of which there are millions, are
// passed over at once, unless others lie among them.
func skip(iterator *badger.Iterator, survey *Survey) {
	run := survey.Layout.Run(iterator.Item().Key())
	if run == nil || survey.unknown > 0 {
		iterator.Next()
		return
	}
	behind := bytes.Clone(run)
	behind[len(behind)-1]++ // of "/0/h/" this is "/0/h0", which no key of the run reaches
	iterator.Seek(behind)
}

// namesPiece is a run of names that goes into one commit.
type namesPiece struct {
	names []name
	bytes int
}

// pieceNames bounds the operations of one commit.
const pieceNames = 4096

// pieces cuts names into runs for commits, each no larger than pieceBytes, or one name.
func pieces(names iter.Seq2[name, error]) iter.Seq2[namesPiece, error] {
	return func(yield func(namesPiece, error) bool) {
		var piece namesPiece
		for next, err := range names {
			if err != nil {
				yield(namesPiece{}, err)
				return
			}
			size := len(next.name) + len(next.value)
			if len(piece.names) == pieceNames || piece.bytes > 0 && piece.bytes+size > pieceBytes {
				if !yield(piece, nil) {
					return
				}
				piece = namesPiece{}
			}
			piece.names = append(piece.names, next)
			piece.bytes += size
		}
		if len(piece.names) > 0 {
			yield(piece, nil)
		}
	}
}

// ahead runs a sequence in a goroutine, one element ahead of who takes them.
func ahead[T any](ctx context.Context, sequence iter.Seq2[T, error]) iter.Seq2[T, error] {
	type element struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		elements := make(chan element)
		done := make(chan struct{})
		defer func() { cancel(); <-done }()
		go func() {
			defer close(done)
			defer close(elements)
			for value, err := range sequence {
				select {
				case elements <- element{value, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		for element := range elements {
			if !yield(element.value, element.err) || element.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			var none T
			yield(none, err)
		}
	}
}
