package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// judge sorts what was found into what is imported, what is left out, and what is wrong.
func (s *Survey) judge() {
	pruned := s.BlocksPruned
	if pruned > s.Height {
		s.faultf("blocks are pruned through %d, above the height %d", pruned, s.Height)
	}
	if s.StatesPruned > 0 && s.StatesPruned >= s.Height {
		s.faultf("states are pruned through %d, and the height is %d: its own state would be missing", s.StatesPruned, s.Height)
	}
	s.Blocks, s.States = &evnode.Heights{}, &evnode.Heights{}
	parts := evnode.Union(&s.headers, &s.data, &s.signatures)
	expected := uint64(0)
	for height := range parts.From(0) {
		header, data, signature := s.headers.Has(height), s.data.Has(height), s.signatures.Has(height)
		if height <= pruned {
			for _, there := range []bool{header, data, signature} {
				if there {
					s.PrunedBlocks++
				}
			}
			continue
		}
		if !header || !data || !signature {
			s.faultf("block %d is not whole: header %t, data %t, signature %t", height, header, data, signature)
		}
		if expected != 0 && height != expected {
			s.faultf("blocks %d to %d are missing", expected, height-1)
		}
		expected = height + 1
		s.Blocks.Add(height)
	}
	if last, ok := s.Blocks.Last(); ok && last < s.Height {
		s.faultf("blocks %d to %d are missing: the height is %d", last+1, s.Height, s.Height)
	} else if ok && last > s.Height {
		s.remarkf("blocks above the height %d, up to %d: imported as they are (ev-node before v1.0 keeps its pending block so)",
			s.Height, last)
	}
	for height := range s.states.From(0) {
		if s.StatesPruned > 0 && height <= s.StatesPruned {
			s.PrunedStates++
			continue
		}
		s.States.Add(height)
	}
	if last, ok := s.States.Last(); ok && last > s.Height {
		s.remarkf("states above the height %d, up to %d: imported as they are", s.Height, last)
	}
	if s.foreign != nil {
		s.faultf("the key %q has no leading slash, so no node wrote it; --generic copies any key", s.foreign)
	}
	if s.long != nil {
		s.KeyFaults = append(s.KeyFaults, fmt.Sprintf("the key %.60q… has %d bytes, and a name in cairn at most %d",
			s.long, len(s.long), nameBytesMax))
	}
	if s.unknown > 0 {
		s.remarkf("%d keys that look like the store's, but ev-node does not write: they stay as they are", s.unknown)
	}
	if s.PrunedBlocks > 0 {
		s.remarkf("%d keys of blocks at or below the pruned height %d: left out", s.PrunedBlocks, pruned)
	}
	if s.PrunedNames > 0 {
		s.remarkf("%d names bound to blocks at or below the pruned height %d: left out", s.PrunedNames, pruned)
	}
	if s.PrunedStates > 0 {
		s.remarkf("%d states at or below the pruned height %d: left out", s.PrunedStates, s.StatesPruned)
	}
}

// judgeState looks at the state of the height, without which a node would begin anew, and at the first block, since a state
// says where the chain begins.
func (s *Survey) judgeState(txn *badger.Txn) error {
	if s.Height == 0 {
		return nil
	}
	value, err := get(txn, s.Layout.Key(evnode.State, s.Height))
	if errors.Is(err, badger.ErrKeyNotFound) {
		s.faultf("there is no state at the height %d", s.Height)
		return nil
	}
	if err != nil {
		return err
	}
	initial, last, err := evnode.ParseState(value)
	if err != nil || last != s.Height {
		s.faultf("the state at the height %d cannot be read, or is of another height, %d", s.Height, last)
		return nil
	}
	expected := max(initial, 1, s.BlocksPruned+1)
	first, ok := s.Blocks.First()
	if !ok {
		first = s.Height + 1
	}
	if first > expected {
		s.faultf("blocks %d to %d are missing: the chain begins at %d, and blocks are pruned through %d",
			expected, first-1, initial, s.BlocksPruned)
	}
	return nil
}

// Refuses says why the directory cannot be imported; nil if it can.
func (s *Survey) Refuses(generic bool) error {
	faults := s.KeyFaults
	if !generic {
		faults = append(slices.Clip(s.Faults), faults...)
	}
	if len(faults) == 0 {
		return nil
	}
	hint := ""
	if !generic && len(s.KeyFaults) == 0 {
		hint = "; --generic copies keys without looking at what they mean"
	}
	return faultf("%s: nothing was imported%s", strings.Join(faults, "; "), hint)
}

// faultsMax bounds the list of faults: one damaged table may cause thousands.
const faultsMax = 20

func (s *Survey) faultf(format string, args ...any) {
	if len(s.Faults) < faultsMax {
		s.Faults = append(s.Faults, fmt.Sprintf(format, args...))
	}
}

func (s *Survey) remarkf(format string, args ...any) {
	s.Remarks = append(s.Remarks, fmt.Sprintf(format, args...))
}
