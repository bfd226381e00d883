package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"runtime"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// record is what a directory has of one height.
type record struct {
	height                  uint64
	isBlock                 bool
	header, data, signature []byte
	isState                 bool
	state                   []byte

	parsed    evnode.BlockHeader
	isIndexed bool // the hash index leads here
}

func (h *record) bytes() int { return len(h.header) + len(h.data) + len(h.signature) + len(h.state) }

// piece is a run of heights that goes into one commit.
type piece struct {
	records []record
	bytes   int
	err     error // after these heights
}

const (
	pieceBytes   = 4 << 20 // chosen: a sync, if there is one, is small beside writing it
	pieceHeights = 512     // heights that one reader takes at a time
	readerBytes  = 256 << 20
)

// readHeights gives the blocks and states from a height on, in rising order, each checked against itself and the block before it:
// the header is of the height and has the hashes of the block's data and of the header before. Several goroutines read ahead;
// a reader holds two pieces at most, and a piece no more than pieceBytes, or one height.
func readHeights(ctx context.Context, source *Source, survey *Survey, from uint64) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer func() { cancel(); group.Wait() }() // nobody reads any more when the directory is closed
		readers := min(max(readerBytes/(2*max(int(survey.LargestSize), pieceBytes)), 1), max(runtime.GOMAXPROCS(0), 2))
		runs := make(chan chan piece, readers-1)
		group.Add(1)
		go func() {
			defer group.Done()
			defer close(runs)
			for run := range chunks(evnode.Union(survey.Blocks, survey.States).From(from), pieceHeights) {
				pieces := make(chan piece)
				select {
				case runs <- pieces:
					group.Add(1)
					go func() {
						defer group.Done()
						readRun(ctx, source, survey, run, pieces)
					}()
				case <-ctx.Done():
					return
				}
			}
		}()
		var links links
		if err := links.begin(source, survey, from); err != nil {
			yield(piece{}, err)
			return
		}
		for run := range runs {
			for piece := range run {
				if piece.err == nil {
					piece.err = links.check(piece.records, survey)
				}
				if piece.err != nil || !yield(piece, nil) {
					if piece.err != nil {
						yield(piece, piece.err)
					}
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(piece{}, err)
		}
	}
}

// chunks cuts a sequence into slices of n.
func chunks(heights iter.Seq[uint64], n int) iter.Seq[[]uint64] {
	return func(yield func([]uint64) bool) {
		var chunk []uint64
		for height := range heights {
			chunk = append(chunk, height)
			if len(chunk) == n {
				if !yield(chunk) {
					return
				}
				chunk = nil
			}
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// readRun reads some heights and sends them in pieces.
func readRun(ctx context.Context, source *Source, survey *Survey, run []uint64, pieces chan<- piece) {
	defer close(pieces)
	txn := source.DB.NewTransaction(false)
	defer txn.Discard()
	var next piece
	send := func() bool {
		select {
		case pieces <- next:
			next = piece{}
			return true
		case <-ctx.Done():
			return false
		}
	}
	for _, number := range run {
		record, err := readHeight(txn, survey, number)
		if err != nil {
			next.err = err
			send()
			return
		}
		if next.bytes > 0 && next.bytes+record.bytes() > pieceBytes && !send() {
			return
		}
		next.records = append(next.records, record)
		next.bytes += record.bytes()
	}
	send()
}

func readHeight(txn *badger.Txn, survey *Survey, number uint64) (record, error) {
	result := record{height: number, isBlock: survey.Blocks.Has(number), isState: survey.States.Has(number)}
	layout := survey.Layout
	parts := []struct {
		wanted bool
		kind   evnode.Kind
		to     *[]byte
	}{
		{result.isBlock, evnode.Header, &result.header},
		{result.isBlock, evnode.Data, &result.data},
		{result.isBlock, evnode.Signature, &result.signature},
		{result.isState, evnode.State, &result.state},
	}
	for _, part := range parts {
		if !part.wanted {
			continue
		}
		value, err := get(txn, layout.Key(part.kind, number))
		if err != nil {
			return record{}, faultf("height %d: %s: %w", number, layout.Key(part.kind, number), err)
		}
		*part.to = value
	}
	if !result.isBlock {
		return result, nil
	}
	if err := result.checkBlock(survey.Height); err != nil {
		return record{}, err
	}
	hash := sha256.Sum256(result.header)
	value, err := get(txn, layout.IndexKey(hash[:]))
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
		return record{}, err
	}
	result.isIndexed = err == nil && len(value) == 8 && binary.LittleEndian.Uint64(value) == number
	return result, nil
}

// checkBlock checks a block by itself. One above the chain's height is not looked into: it is not finished.
func (h *record) checkBlock(chain uint64) error {
	if h.height > chain {
		return nil
	}
	var err error
	if h.parsed, err = evnode.ParseHeader(h.header); err != nil {
		return faultf("block %d: the header cannot be read: %w", h.height, err)
	}
	if h.parsed.Height != h.height {
		return faultf("block %d: its header says that it is block %d", h.height, h.parsed.Height)
	}
	hash, err := evnode.DataHash(h.data)
	if err != nil {
		return faultf("block %d: the data cannot be read: %w", h.height, err)
	}
	if !bytes.Equal(hash[:], h.parsed.DataHash) {
		return faultf("block %d: the header has %X for the hash of the data, which is %X", h.height, h.parsed.DataHash, hash)
	}
	return nil
}

// links holds what the next header must lead back to.
type links struct {
	height uint64 // 0: none
	hash   [sha256.Size]byte
}

// begin takes the block before the first one that will be checked, if the directory has it.
func (l *links) begin(source *Source, survey *Survey, from uint64) error {
	if from == 0 || !survey.Blocks.Has(from-1) || from-1 > survey.Height {
		return nil
	}
	return source.DB.View(func(txn *badger.Txn) error {
		before, err := readHeight(txn, survey, from-1)
		if err == nil {
			l.height, l.hash = before.height, before.parsed.Hash
		}
		return err
	})
}

func (l *links) check(records []record, survey *Survey) error {
	for _, h := range records {
		if !h.isBlock || h.height > survey.Height {
			continue
		}
		if l.height > 0 && l.height+1 == h.height && !bytes.Equal(l.hash[:], h.parsed.LastHeaderHash) {
			return faultf("block %d does not follow block %d: its header leads back to %X, and that block's hash is %X",
				h.height, l.height, h.parsed.LastHeaderHash, l.hash)
		}
		l.height, l.hash = h.height, h.parsed.Hash
	}
	return nil
}

// CheckBlocks reads all blocks and states, and checks that each block follows the one before.
func CheckBlocks(ctx context.Context, source *Source, survey *Survey, progress *Meter) (Checked, error) {
	var checked Checked
	total := evnode.Union(survey.Blocks, survey.States).Count()
	progress.Begin("heights checked", total)
	done := uint64(0)
	for piece, err := range readHeights(ctx, source, survey, 0) {
		if err != nil {
			return checked, err
		}
		checked.add(piece.records)
		done += uint64(len(piece.records))
		progress.Reached(done)
	}
	progress.End(done)
	checked.Leftovers = survey.Index - (checked.Blocks - checked.NotIndexed)
	return checked, nil
}
