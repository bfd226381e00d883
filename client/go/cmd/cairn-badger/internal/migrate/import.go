package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"cairn.invalid/client/go/cairn"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// An import, from its first commit to its last:
//
//   - It takes a claim, so that nobody else writes to the chain, and each of its commits is done once whatever becomes of the
//     daemon in between.
//   - The first commit sets ProgressName, and each one moves it on with what it imports. It is there exactly as long as the
//     import is not over: who finds it must not run a node on the chain.
//   - Native: blocks and states by height, above the chain's height, which stays 0 until all is there; then names; then the
//     height rises and what the node had pruned is pruned, both of which may be repeated.
//   - What was imported is compared with the directory, byte for byte, and then ProgressName goes.
//
// An import that is begun again goes on behind what the chain says is done, provided that no key of the directory has changed
// since. One that fails leaves the chain with ProgressName, to be gone on with or to be dropped.

// ProgressName is the name that a chain has while an import into it is not over.
const ProgressName = "cairn-badger/import"

// WriterName is what a claim of this tool is called.
const WriterName = "cairn-badger"

// The stages of an import.
const (
	stageBlocks = "blocks"
	stageNames  = "names"
	stageCheck  = "check"
)

// progress is what ProgressName holds, as JSON.
type progress struct {
	Fingerprint string `json:"fingerprint"` // of the directory
	Generic     bool   `json:"generic"`
	Stage       string `json:"stage"`
	Height      uint64 `json:"height,omitempty"` // of stageBlocks: all below are done
	Key         []byte `json:"key,omitempty"`    // of stageNames: all up to this one are done
	Done        uint64 `json:"done,omitempty"`   // of the stage, heights or names
}

func (p progress) operation() cairn.Operation {
	value, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers and bytes
	}
	return cairn.Set(ProgressName, value)
}

// frameSlack is what a commit has beside the bytes of one height or name.
const frameSlack = 64 << 10

// Importer copies a directory into a chain.
type Importer struct {
	Client  *cairn.Client
	Chain   string
	Source  *Source
	Survey  *Survey
	Generic bool
	Meter   *Meter                           // may be nil
	Say     func(format string, args ...any) // told of what takes long

	chain    *cairn.Chain
	progress progress
}

// Check says why the import may not begin, and if it may, whether it would go on with one that was begun; it writes nothing.
func (i *Importer) Check(ctx context.Context) (goesOn bool, err error) {
	if err := i.Survey.Refuses(i.Generic); err != nil {
		return false, err
	}
	bound := i.Client.Limits().FrameBytesMax
	if i.Survey.LargestSize+frameSlack > bound {
		return false, frameError(fmt.Sprintf("%q has about %d bytes", i.Survey.Largest, i.Survey.LargestSize), bound)
	}
	chains, err := i.Client.Chains(ctx)
	if err != nil {
		return false, err
	}
	i.chain = i.Client.Chain(i.Chain)
	if !slices.ContainsFunc(chains, func(info cairn.ChainInfo) bool { return info.Name == i.Chain }) {
		return false, nil // it will be made
	}
	i.progress, err = i.readProgress(ctx)
	return i.progress.Stage != "", err
}

// frameError tells that something does not fit a frame, and what to do.
func frameError(what string, bound uint64) error {
	return targetf("%s, and a frame of this daemon at most %d: start cairnd with --frame-bytes-max=256MiB --requests-bytes-max=1GiB",
		what, bound)
}

// Run imports, compares, and says what it saw.
func (i *Importer) Run(ctx context.Context) (Checked, error) {
	var checked Checked
	if _, err := i.Check(ctx); err != nil {
		return checked, err
	}
	if _, err := i.Client.CreateChain(ctx, i.Chain); err != nil {
		return checked, err
	}
	err := claimed(ctx, i.chain, i.Say, func() (err error) {
		checked, err = i.runClaimed(ctx)
		return err
	})
	return checked, err
}

func (i *Importer) runClaimed(ctx context.Context) (Checked, error) {
	var checked Checked
	var err error
	// Again, now that nobody else writes.
	if i.progress, err = i.readProgress(ctx); err != nil {
		return checked, err
	}
	if i.progress.Stage == "" {
		i.progress = progress{Fingerprint: i.Survey.Fingerprint, Generic: i.Generic, Stage: stageBlocks}
		if i.Generic {
			i.progress.Stage = stageNames
		}
		if err := i.commit(ctx, &cairn.CommitRequest{}); err != nil {
			return checked, err
		}
	}
	if i.progress.Stage == stageBlocks {
		if err := i.importHeights(ctx); err != nil {
			return checked, err
		}
	}
	if i.progress.Stage == stageNames {
		if err := i.importNames(ctx); err != nil {
			return checked, err
		}
	}
	if err := i.finish(ctx); err != nil {
		return checked, err
	}
	verifier := Verifier{Chain: i.chain, Source: i.Source, Survey: i.Survey, Generic: i.Generic, Meter: i.Meter}
	if checked, err = verifier.Run(ctx); err != nil {
		return checked, err
	}
	_, err = i.chain.Commit(ctx, &cairn.CommitRequest{Metadata: []cairn.Operation{cairn.Delete(ProgressName)}})
	return checked, err
}

// readProgress gives how far an import into the chain is; a stage of "" if the chain is empty. Any other chain is refused.
func (i *Importer) readProgress(ctx context.Context) (progress, error) {
	var at progress
	value, err := i.chain.Get(ctx, ProgressName)
	if errors.Is(err, cairn.ErrNotFound) {
		return at, i.refuseUnlessEmpty(ctx)
	}
	if err != nil {
		return at, err
	}
	if err := json.Unmarshal(value, &at); err != nil {
		return at, targetf("the chain %s has a %s that cannot be read: %w", i.Chain, ProgressName, err)
	}
	remedy := fmt.Sprintf("drop the chain (cairn chains drop %s) and begin anew", i.Chain)
	switch {
	case at.Generic != i.Generic:
		return at, targetf("an import into the chain %s was begun with generic %t: go on so, or %s", i.Chain, at.Generic, remedy)
	case at.Fingerprint != i.Survey.Fingerprint:
		return at, targetf("an import into the chain %s was begun from another directory, or %s was written to since: %s",
			i.Chain, i.Source.Dir, remedy)
	}
	return at, nil
}

func (i *Importer) refuseUnlessEmpty(ctx context.Context) error {
	what, err := blocksIn(ctx, i.chain)
	if err != nil {
		return err
	}
	for entry, err := range i.chain.List(ctx, cairn.ListRequest{Limit: 1}) {
		if err != nil {
			return err
		}
		what = fmt.Sprintf("the name %q", entry.Name)
	}
	if what != "" {
		return targetf("the chain %s is not empty (it has %s), and has no import to go on with: name another chain", i.Chain, what)
	}
	return nil
}

// commit moves the progress on with what it imports.
func (i *Importer) commit(ctx context.Context, request *cairn.CommitRequest) error {
	request.Metadata = append(request.Metadata, i.progress.operation())
	_, err := i.chain.Commit(ctx, request)
	return err
}

func (i *Importer) importHeights(ctx context.Context) error {
	bound := i.Client.Limits().FrameBytesMax
	i.Meter.Begin("heights imported", evnode.Union(i.Survey.Blocks, i.Survey.States).Count())
	i.Meter.Resume(i.progress.Done)
	for piece, err := range readHeights(ctx, i.Source, i.Survey, i.progress.Height) {
		if err != nil {
			return err
		}
		request := &cairn.CommitRequest{Level: cairn.LevelWritten}
		for _, record := range piece.records {
			if uint64(record.bytes())+frameSlack > bound {
				return frameError(fmt.Sprintf("height %d has %d bytes", record.height, record.bytes()), bound)
			}
			if record.isBlock {
				request.Blocks = append(request.Blocks, cairn.Block{
					Height: record.height, Header: record.header, Data: record.data, Signature: record.signature})
			}
			if record.isState {
				request.States = append(request.States, cairn.State{Height: record.height, Value: record.state})
			}
		}
		i.progress.Height = piece.records[len(piece.records)-1].height + 1
		i.progress.Done += uint64(len(piece.records))
		if err := i.commit(ctx, request); err != nil {
			return err
		}
		i.Meter.Reached(i.progress.Done)
	}
	i.Meter.End(i.progress.Done)
	i.progress.Stage, i.progress.Height, i.progress.Done = stageNames, 0, 0
	return i.commit(ctx, &cairn.CommitRequest{})
}

func (i *Importer) importNames(ctx context.Context) error {
	scope, total := scopeNames, i.Survey.Names
	if i.Generic {
		scope, total = scopeAll, i.Survey.Keys
	}
	i.Meter.Begin("names imported", total)
	i.Meter.Resume(i.progress.Done)
	for piece, err := range ahead(ctx, pieces(readNames(i.Source, i.Survey, scope, i.progress.Key))) {
		if err != nil {
			return err
		}
		request := &cairn.CommitRequest{Level: cairn.LevelWritten}
		for _, name := range piece.names {
			if name.bound > 0 {
				request.Metadata = append(request.Metadata, cairn.SetBound(name.name, name.value, name.bound))
			} else {
				request.Metadata = append(request.Metadata, cairn.Set(name.name, name.value))
			}
		}
		i.progress.Key = piece.names[len(piece.names)-1].key
		i.progress.Done += uint64(len(piece.names))
		if err := i.commit(ctx, request); err != nil {
			return err
		}
		i.Meter.Reached(i.progress.Done)
	}
	i.Meter.End(i.progress.Done)
	i.progress = progress{Fingerprint: i.progress.Fingerprint, Generic: i.Generic, Stage: stageCheck}
	return i.commit(ctx, &cairn.CommitRequest{})
}

// finish makes the chain one that a node may run on, but for ProgressName.
func (i *Importer) finish(ctx context.Context) error {
	if i.Generic {
		return nil
	}
	if i.Survey.Height > 0 {
		if _, err := i.chain.Commit(ctx, &cairn.CommitRequest{RiseTo: i.Survey.Height}); err != nil {
			return err
		}
	}
	if i.Survey.BlocksPruned > 0 || i.Survey.StatesPruned > 0 {
		request := &cairn.PruneRequest{BlocksThrough: i.Survey.BlocksPruned}
		if i.Survey.StatesPruned > 0 {
			request.StatesThrough = &i.Survey.StatesPruned
		}
		if _, err := i.chain.Prune(ctx, request); err != nil {
			return err
		}
	}
	return nil
}
