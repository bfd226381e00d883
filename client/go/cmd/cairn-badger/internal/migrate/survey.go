package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// nameBytesMax is cairn's bound on a name.
const nameBytesMax = 1024

// Survey is what a look at all keys of a directory tells, without their values: what there is, and whether it may be imported.
type Survey struct {
	Layout evnode.Layout
	// Fingerprint is of all keys and Badger's version of each: another one, and something was written since.
	Fingerprint string
	Keys        uint64
	Bytes       uint64 // of keys and values, about
	Prefixes    []PrefixCount
	Largest     []byte // the key of the largest value
	LargestSize uint64 // about

	// Of a store: a directory that a node made.
	Height       uint64          // 0: none
	BlocksPruned uint64          // 0: none
	StatesPruned uint64          // 0: none
	Blocks       *evnode.Heights // above the pruned height: what has a header, data and a signature
	States       *evnode.Heights // above the pruned height
	Index        uint64          // entries that lead from a hash to a height
	Names        uint64          // metadata and raw keys to import
	// What is left out, since cairn cannot hold it or makes it itself.
	PrunedBlocks uint64 // keys of blocks at or below the pruned height
	PrunedStates uint64
	PrunedNames  uint64 // metadata bound to pruned blocks
	// Faults are what stands in the way of a native import, KeyFaults of any. None: it may begin.
	Faults, KeyFaults []string
	// Remarks are what a reader may want to know, and nothing to act on.
	Remarks []string

	headers, data, signatures evnode.Heights
	states                    evnode.Heights
	unknown                   uint64 // raw keys among those of a kind
	foreign                   []byte // a key without a leading slash
	long                      []byte // a key above nameBytesMax
	prefix                    int    // the one counted last
}

// PrefixCount says how much lies below a prefix.
type PrefixCount struct {
	Prefix string
	Keys   uint64
	Bytes  uint64
}

// TakeSurvey looks at all keys. progress may be nil.
func TakeSurvey(ctx context.Context, source *Source, progress *Meter) (*Survey, error) {
	survey := &Survey{}
	var total uint64
	for _, table := range source.DB.Tables() {
		total += uint64(table.KeyCount)
	}
	progress.Begin("keys looked at", total)
	txn := source.DB.NewTransaction(false)
	defer txn.Discard()
	var err error
	if survey.Layout, err = findLayout(txn); err != nil {
		return nil, err
	}
	if err := survey.readMarks(txn); err != nil {
		return nil, err
	}
	if err := survey.scan(ctx, txn, progress); err != nil {
		return nil, err
	}
	survey.judge()
	if err := survey.judgeState(txn); err != nil {
		return nil, err
	}
	return survey, nil
}

// findLayout: a directory with a key below "/0/" is a full node's.
func findLayout(txn *badger.Txn) (evnode.Layout, error) {
	options := badger.DefaultIteratorOptions
	options.PrefetchValues = false
	options.Prefix = []byte(evnode.Full + "/")
	iterator := txn.NewIterator(options)
	defer iterator.Close()
	if iterator.Rewind(); iterator.Valid() {
		return evnode.Full, nil
	}
	return evnode.Light, nil
}

func (s *Survey) scan(ctx context.Context, txn *badger.Txn, progress *Meter) error {
	options := badger.DefaultIteratorOptions
	options.PrefetchValues = false
	iterator := txn.NewIterator(options)
	defer iterator.Close()
	fingerprint := sha256.New()
	var version [8]byte
	for iterator.Rewind(); iterator.Valid(); iterator.Next() {
		item := iterator.Item()
		key, size := item.Key(), uint64(max(item.ValueSize(), 0))
		binary.LittleEndian.PutUint64(version[:], item.Version())
		fingerprint.Write(key)
		fingerprint.Write([]byte{0})
		fingerprint.Write(version[:])
		s.Keys++
		s.Bytes += uint64(len(key)) + size
		if size > s.LargestSize {
			s.Largest, s.LargestSize = item.KeyCopy(nil), size
		}
		s.countPrefix(key, uint64(len(key))+size)
		s.note(key)
		if s.Keys&0xfff == 0 {
			progress.Reached(s.Keys)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	s.Fingerprint = hex.EncodeToString(fingerprint.Sum(nil))
	return nil
}

func (s *Survey) note(key []byte) {
	if len(key) > nameBytesMax && s.long == nil {
		s.long = bytes.Clone(key)
	}
	if string(key) == ProgressName {
		s.KeyFaults = append(s.KeyFaults, fmt.Sprintf("the key %q is the name under which an import keeps its progress", key))
	}
	parsed := s.Layout.Parse(key)
	switch parsed.Kind {
	case evnode.Header:
		s.headers.Add(parsed.Height)
	case evnode.Data:
		s.data.Add(parsed.Height)
	case evnode.Signature:
		s.signatures.Add(parsed.Height)
	case evnode.State:
		s.states.Add(parsed.Height)
	case evnode.Index:
		s.Index++
	case evnode.Metadata:
		if parsed.Height > 0 && parsed.Height <= s.BlocksPruned {
			s.PrunedNames++
		} else {
			s.Names++
		}
	case evnode.Raw:
		s.Names++
		if len(key) == 0 || key[0] != '/' {
			s.foreign = bytes.Clone(key)
		}
		if s.Layout.Run(key) != nil {
			s.unknown++
		}
	}
}

// countPrefix counts a key under what it begins with: "/0/h", "/0/m/rhb", "/batches".
func (s *Survey) countPrefix(key []byte, size uint64) {
	depth := 1
	if s.Layout == evnode.Full && bytes.HasPrefix(key, []byte(evnode.Full+"/")) {
		depth = 2
	}
	if bytes.HasPrefix(key, []byte(s.Layout+"/m/")) {
		depth++
	}
	end := 0
	for ; depth > 0 && end < len(key); depth-- {
		next := bytes.IndexByte(key[end+1:], '/')
		if next < 0 {
			end = len(key)
			break
		}
		end += 1 + next
	}
	// Keys come in byte order, so that what is counted last is what is counted next, or one of few others.
	at := s.prefix
	if at >= len(s.Prefixes) || s.Prefixes[at].Prefix != string(key[:end]) {
		at = slices.IndexFunc(s.Prefixes, func(count PrefixCount) bool { return count.Prefix == string(key[:end]) })
	}
	if at < 0 {
		at = len(s.Prefixes)
		if at == prefixesMax {
			at--
			s.Prefixes[at].Prefix = "others"
		} else {
			s.Prefixes = append(s.Prefixes, PrefixCount{Prefix: string(key[:end])})
		}
	}
	s.prefix = at
	s.Prefixes[at].Keys++
	s.Prefixes[at].Bytes += size
}

// prefixesMax bounds what a survey prints; a node has about 20.
const prefixesMax = 64

// readMarks reads the height and how far the node has pruned.
func (s *Survey) readMarks(txn *badger.Txn) error {
	marks := []struct {
		key []byte
		to  *uint64
	}{
		{s.Layout.HeightKey(), &s.Height},
		{s.Layout.NameKey(evnode.NameBlocksPruned), &s.BlocksPruned},
		{s.Layout.NameKey(evnode.NameStatesPruned), &s.StatesPruned},
	}
	for at, mark := range marks {
		value, err := get(txn, mark.key)
		switch {
		case errors.Is(err, badger.ErrKeyNotFound):
		case err != nil:
			return err
		case len(value) == 8:
			*mark.to = binary.LittleEndian.Uint64(value)
		case at == 0:
			s.faultf("the height %s has %d bytes instead of 8", mark.key, len(value))
		default:
			s.remarkf("%s has %d bytes instead of 8: it is no mark, and stays a name", mark.key, len(value))
		}
	}
	return nil
}

// get reads a key's value into memory of its own.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, faultf("%q cannot be read: %w", key, err)
	}
	return value, nil
}
