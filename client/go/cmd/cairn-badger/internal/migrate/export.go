package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cairn"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// PartialSuffix is what the name of a directory ends with while an export into it is not over.
const PartialSuffix = ".cairn-badger-partial"

// Exporter copies a chain into a Badger directory, as a node keeps it.
//
//   - It takes a claim, so that the chain stands still: a node that runs on it makes it fail.
//   - What it writes lies beside the directory asked for until it has been compared with the chain, and is moved there then. So
//     the directory is whole, or not there.
//   - An export that was killed goes on behind the last block that it wrote, a generic one behind the last name. What the chain became
//     in between is seen by the comparison: then all is removed, and the next one begins anew.
type Exporter struct {
	Client  *cairn.Client
	Chain   string
	Dir     string // must not exist, or be empty
	Layout  evnode.Layout
	Generic bool
	Meter   *Meter                           // may be nil
	Say     func(format string, args ...any) // told of what takes long

	chain *cairn.Chain
	info  cairn.ChainInfo
	batch *badger.WriteBatch

	// What a run before has written.
	lastBlock uint64 // 0: none
	lastKey   string // "": none
}

// Run exports, compares, and says what it saw.
func (e *Exporter) Run(ctx context.Context) (Checked, error) {
	var checked Checked
	if entries, err := os.ReadDir(e.Dir); err == nil && len(entries) > 0 {
		return checked, targetf("%s is not empty: name a directory that does not exist", e.Dir)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return checked, targetf("%s cannot be written: %w", e.Dir, err)
	}
	e.chain = e.Client.Chain(e.Chain)
	err := claimed(ctx, e.chain, e.Say, func() (err error) {
		checked, err = e.runClaimed(ctx)
		return err
	})
	return checked, err
}

func (e *Exporter) runClaimed(ctx context.Context) (Checked, error) {
	if err := RefuseUnfinished(ctx, e.chain); err != nil {
		return Checked{}, err
	}
	chains, err := e.Client.Chains(ctx)
	if err != nil {
		return Checked{}, err
	}
	for _, info := range chains {
		if info.Name == e.Chain {
			e.info = info
		}
	}
	if what, err := blocksIn(ctx, e.chain); err != nil {
		return Checked{}, err
	} else if e.Generic && what != "" {
		return Checked{}, targetf("the chain %s has %s, which --generic does not export", e.Chain, what)
	}
	partial := strings.TrimRight(e.Dir, "/") + PartialSuffix
	if !isOwn(partial) {
		if err := makeOwn(partial); err != nil {
			return Checked{}, err
		}
	}
	if err := e.write(ctx, partial); err != nil {
		return Checked{}, err
	}
	checked, err := e.compare(ctx, partial)
	if errors.Is(err, ErrDiffers) || errors.Is(err, ErrSource) {
		return checked, errors.Join(err, removeOwn(partial))
	}
	if err != nil {
		return checked, err
	}
	if err := os.Remove(filepath.Join(partial, ownMark)); err != nil {
		return checked, err
	}
	if err := os.Rename(partial, e.Dir); err != nil {
		return checked, err
	}
	return checked, syncDir(filepath.Dir(e.Dir))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// RefuseUnfinished is an error if an import into the chain is not over.
func RefuseUnfinished(ctx context.Context, chain *cairn.Chain) error {
	_, err := chain.GetParts(ctx, ProgressName, 0)
	if errors.Is(err, cairn.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return targetf("an import into the chain %s is not over: go on with it, or drop the chain", chain.Name())
}

func (e *Exporter) write(ctx context.Context, dir string) (err error) {
	db, err := openWritable(badger.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false).WithDetectConflicts(false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if e.lastBlock, e.lastKey, err = e.written(db); err != nil {
		return err
	}
	e.batch = db.NewWriteBatch()
	defer e.batch.Cancel()
	if !e.Generic {
		if err := e.writeBlocks(ctx); err != nil {
			return err
		}
		if err := e.writeStates(ctx); err != nil {
			return err
		}
		if e.info.Height > 0 {
			if err := e.batch.Set(e.Layout.HeightKey(), binary.LittleEndian.AppendUint64(nil, e.info.Height)); err != nil {
				return err
			}
		}
	}
	if err := e.writeNames(ctx); err != nil {
		return err
	}
	if err := e.batch.Flush(); err != nil {
		return err
	}
	return db.Sync()
}

// written finds the last block, and the last key, that an earlier run has written. Badger keeps the order of the writes over a kill.
func (e *Exporter) written(db *badger.DB) (block uint64, last string, err error) {
	err = db.View(func(txn *badger.Txn) error {
		options := badger.DefaultIteratorOptions
		options.PrefetchValues = false
		iterator := txn.NewIterator(options)
		defer iterator.Close()
		run := e.Layout.Run(e.Layout.Key(evnode.Header, 0))
		for iterator.Seek(run); iterator.ValidForPrefix(run); iterator.Next() {
			if parsed := e.Layout.Parse(iterator.Item().Key()); parsed.Kind == evnode.Header {
				block = max(block, parsed.Height)
			}
		}
		return nil
	})
	if err != nil {
		return 0, "", err
	}
	err = db.View(func(txn *badger.Txn) error {
		options := badger.DefaultIteratorOptions
		options.PrefetchValues = false
		options.Reverse = true
		iterator := txn.NewIterator(options)
		defer iterator.Close()
		if iterator.Rewind(); iterator.Valid() {
			last = string(iterator.Item().Key())
		}
		return nil
	})
	return block, last, err
}

func (e *Exporter) writeBlocks(ctx context.Context) error {
	first := max(e.info.BlocksPrunedThrough+1, e.lastBlock) // the last one again: it may not be whole
	e.Meter.Begin("blocks exported", e.info.Height-min(e.info.Height, first-1))
	done := uint64(0)
	for block, err := range blocks(ctx, e.chain, first) {
		if err != nil {
			return err
		}
		hash := sha256.Sum256(block.Header)
		entries := []struct{ key, value []byte }{
			{e.Layout.Key(evnode.Header, block.Height), block.Header},
			{e.Layout.Key(evnode.Data, block.Height), block.Data},
			{e.Layout.Key(evnode.Signature, block.Height), block.Signature},
			{e.Layout.IndexKey(hash[:]), binary.LittleEndian.AppendUint64(nil, block.Height)},
		}
		for _, entry := range entries {
			if err := e.batch.Set(entry.key, entry.value); err != nil {
				return err
			}
		}
		done++
		e.Meter.Reached(done)
	}
	e.Meter.End(done)
	return nil
}

// writeStates writes the states at all heights that may have one: there is no list of them.
func (e *Exporter) writeStates(ctx context.Context) error {
	first := uint64(0)
	if e.info.StatesPruned {
		first = e.info.StatesPrunedThrough + 1
	}
	last := e.info.Height + statesAbove
	e.Meter.Begin("heights asked for a state", last-first+1)
	for from := first; from <= last; from += pieceHeights {
		if err := ctx.Err(); err != nil {
			return err // the client finishes what it is asked for under a context that is over
		}
		states := make([][]byte, min(pieceHeights, last-from+1))
		err := parallel(len(states), func(at int) (err error) {
			states[at], err = e.chain.State(ctx, from+uint64(at))
			if errors.Is(err, cairn.ErrNotFound) {
				return nil
			}
			if err == nil && states[at] == nil {
				states[at] = []byte{}
			}
			return err
		})
		if err != nil {
			return err
		}
		for at, state := range states {
			if state == nil {
				continue
			}
			if err := e.batch.Set(e.Layout.Key(evnode.State, from+uint64(at)), state); err != nil {
				return err
			}
		}
		e.Meter.Reached(from - first + uint64(len(states)))
	}
	e.Meter.End(last - first + 1)
	return nil
}

// statesAbove is how far above the height states are looked for. A node has none there, or after a crash those of a commit
// that was under way.
const statesAbove = 64

func (e *Exporter) writeNames(ctx context.Context) error {
	e.Meter.Begin("names exported", 0)
	done := uint64(0)
	start := ""
	if e.Generic {
		start = e.lastKey
	}
	for entry, err := range list(ctx, e.chain, start) {
		if err != nil {
			return err
		}
		key := []byte(entry.Name)
		if !e.Generic {
			key = e.Layout.NameKey(entry.Name)
		}
		if err := e.batch.Set(key, entry.Value); err != nil {
			return err
		}
		done++
		e.Meter.Reached(done)
	}
	e.Meter.End(done)
	return nil
}

// compare reads back what was written.
func (e *Exporter) compare(ctx context.Context, dir string) (checked Checked, err error) {
	source, err := OpenSource(ctx, dir, true, e.Say)
	if err != nil {
		return checked, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	survey, err := TakeSurvey(ctx, source, e.Meter)
	if err != nil {
		return checked, err
	}
	verifier := Verifier{Chain: e.chain, Source: source, Survey: survey, Generic: e.Generic, Meter: e.Meter}
	return verifier.Run(ctx)
}
