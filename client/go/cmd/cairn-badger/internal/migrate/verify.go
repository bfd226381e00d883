package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"

	"cairn.invalid/client/go/cairn"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// Verifier compares a chain with a directory, byte for byte. Native:
//
//   - the height, and how far is pruned;
//   - blocks by height, each checked against the one before in the directory; each is found by its hash;
//   - states by height;
//   - names in their order, with what they are bound to.
//
// Of a chain on which a node ran on since, the blocks up to the directory's height are compared, and nothing else: a node whose
// application starts empty replays all blocks, and writes each state again.
type Verifier struct {
	Chain   *cairn.Chain
	Source  *Source
	Survey  *Survey
	Generic bool
	Meter   *Meter // may be nil

	ranOn   bool // the chain is above the directory's height
	checked Checked
}

// Run compares. The first difference is the error.
func (v *Verifier) Run(ctx context.Context) (Checked, error) {
	v.checked = Checked{}
	if v.Generic {
		if what, err := blocksIn(ctx, v.Chain); err != nil {
			return v.checked, err
		} else if what != "" {
			return v.checked, differsf("the chain has %s, which is not among the names that --generic compares", what)
		}
		err := v.names(ctx, readNames(v.Source, v.Survey, scopeAll, nil), v.Survey.Keys)
		return v.checked, err
	}
	at, err := v.Chain.Height(ctx)
	if err != nil {
		return v.checked, err
	}
	v.ranOn = at > v.Survey.Height
	v.checked.RanOn = v.ranOn
	if at < v.Survey.Height {
		return v.checked, differsf("the chain has the height %d, the directory %d", at, v.Survey.Height)
	}
	if err := v.heights(ctx); err != nil {
		return v.checked, err
	}
	if v.ranOn {
		return v.checked, nil
	}
	err = v.names(ctx, nativeNames(v.Source, v.Survey), v.Survey.Names)
	return v.checked, err
}

// nativeNames gives the names of a node's directory in the byte order that they have in a chain: those with a leading slash first.
func nativeNames(source *Source, survey *Survey) iter.Seq2[name, error] {
	return func(yield func(name, error) bool) {
		for _, scope := range []scope{scopeRaw, scopeMetadata} {
			for name, err := range readNames(source, survey, scope, nil) {
				if !yield(name, err) {
					return
				}
			}
		}
	}
}

func (v *Verifier) heights(ctx context.Context) error {
	v.Meter.Begin("heights compared", evnode.Union(v.Survey.Blocks, v.Survey.States).Count())
	next, stop := iter.Pull2(blocks(ctx, v.Chain, 1))
	defer stop()
	digest := newDigest()
	done := uint64(0)
	for piece, err := range readHeights(ctx, v.Source, v.Survey, 0) {
		if err != nil {
			return err
		}
		records := piece.records
		if v.ranOn {
			for len(records) > 0 && records[len(records)-1].height > v.Survey.Height {
				records = records[:len(records)-1]
			}
		}
		for _, record := range records {
			if !record.isBlock {
				continue
			}
			block, err, there := next()
			if err != nil {
				return err
			}
			if err := compareBlock(record, block, there); err != nil {
				return err
			}
			digest.add(block.Height, block.Header, block.Data, block.Signature)
		}
		if err := v.eachOf(ctx, records); err != nil {
			return err
		}
		for _, record := range records {
			if record.isState && !v.ranOn {
				digest.add(record.height, record.state)
			}
		}
		v.checked.add(records)
		done += uint64(len(records))
		v.Meter.Reached(done)
	}
	if block, err, there := next(); there && !v.ranOn {
		if err != nil {
			return err
		}
		return differsf("block %d is in the chain and not in the directory", block.Height)
	}
	v.Meter.End(done)
	v.checked.Leftovers = v.Survey.Index - (v.checked.Blocks - v.checked.NotIndexed)
	v.checked.HeightsDigest = digest.String()
	return nil
}

func compareBlock(record record, block cairn.Block, there bool) error {
	if !there || block.Height > record.height {
		return differsf("block %d is in the directory and not in the chain", record.height)
	}
	if block.Height < record.height {
		return differsf("block %d is in the chain and not in the directory", block.Height)
	}
	parts := []struct {
		what             string
		directory, chain []byte
	}{
		{"header", record.header, block.Header},
		{"data", record.data, block.Data},
		{"signature", record.signature, block.Signature},
	}
	for _, part := range parts {
		if !bytes.Equal(part.directory, part.chain) {
			return differsf("block %d: the %s of the chain is not that of the directory", record.height, part.what)
		}
	}
	return nil
}

// eachOf asks for each block by its hash, and for each state.
func (v *Verifier) eachOf(ctx context.Context, records []record) error {
	return parallel(len(records), func(at int) error {
		record := records[at]
		if record.isBlock {
			hash := sha256.Sum256(record.header)
			found, err := v.Chain.BlockByHash(ctx, hash[:], 0)
			switch {
			case errors.Is(err, cairn.ErrNotFound):
				return differsf("block %d is not found by its hash %X", record.height, hash)
			case err != nil:
				return err
			case found.Height != record.height:
				return differsf("the hash %X of block %d leads to block %d", hash, record.height, found.Height)
			}
		}
		if !record.isState || v.ranOn {
			return nil
		}
		state, err := v.Chain.State(ctx, record.height)
		switch {
		case errors.Is(err, cairn.ErrNotFound):
			return differsf("the state at height %d is in the directory and not in the chain", record.height)
		case err != nil:
			return err
		case !bytes.Equal(state, record.state):
			return differsf("the state at height %d of the chain is not that of the directory", record.height)
		}
		return nil
	})
}

func (v *Verifier) names(ctx context.Context, names iter.Seq2[name, error], total uint64) error {
	v.Meter.Begin("names compared", total)
	next, stop := iter.Pull2(list(ctx, v.Chain, ""))
	defer stop()
	digest := newDigest()
	for piece, err := range ahead(ctx, pieces(names)) {
		if err != nil {
			return err
		}
		for _, name := range piece.names {
			entry, err, there := next()
			switch {
			case err != nil:
				return err
			case !there || entry.Name > name.name:
				return differsf("%q is in the directory and not in the chain", name.key)
			case entry.Name < name.name:
				return differsf("the name %q is in the chain and not in the directory", entry.Name)
			case !bytes.Equal(entry.Value, name.value):
				return differsf("the value of %q in the chain is not that of the directory", name.key)
			case entry.OfHeight != name.bound:
				return differsf("the name %q is bound to height %d instead of %d", entry.Name, entry.OfHeight, name.bound)
			}
			digest.add(entry.OfHeight, []byte(entry.Name), entry.Value)
			v.checked.Names++
		}
		v.Meter.Reached(v.checked.Names)
	}
	if entry, err, there := next(); err != nil {
		return err
	} else if there {
		return differsf("the name %q is in the chain and not in the directory", entry.Name)
	}
	v.Meter.End(v.checked.Names)
	v.checked.NamesDigest = digest.String()
	return nil
}

// digest is a SHA-256 of what was compared, to be compared with another run's.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) add(number uint64, parts ...[]byte) {
	d.Write(binary.LittleEndian.AppendUint64(nil, number))
	for _, part := range parts {
		d.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		d.Write(part)
	}
}

func (d digest) String() string { return fmt.Sprintf("%x", d.Sum(nil)) }
