package migrate

import (
	"fmt"
	"io"
	"slices"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// Print writes the survey for people.
func (s *Survey) Print(to io.Writer) {
	layout := "full node"
	if s.Layout == evnode.Light {
		layout = "light node, or no node's"
	}
	fmt.Fprintf(to, "layout: %s\n%d keys, about %d MiB\n", layout, s.Keys, s.Bytes>>20)
	for _, count := range s.Prefixes {
		fmt.Fprintf(to, "  %-40q %12d keys %10d KiB\n", count.Prefix, count.Keys, (count.Bytes+1023)>>10)
	}
	if s.Largest != nil {
		fmt.Fprintf(to, "largest value: %q, about %d bytes\n", s.Largest, s.LargestSize)
	}
	fmt.Fprintf(to, "height %d; blocks pruned through %d, states through %d\n", s.Height, s.BlocksPruned, s.StatesPruned)
	fmt.Fprintf(to, "to import: %s, %s, %d names\n", extent("blocks", s.Blocks), extent("states", s.States), s.Names)
	if s.Index > s.Blocks.Count() {
		fmt.Fprintf(to, "hash index: %d entries, at least %d of them leftovers of replaced blocks\n", s.Index, s.Index-s.Blocks.Count())
	}
	for _, remark := range s.Remarks {
		fmt.Fprintln(to, "note:", remark)
	}
	for _, fault := range append(slices.Clip(s.Faults), s.KeyFaults...) {
		fmt.Fprintln(to, "fault:", fault)
	}
}

func extent(what string, heights *evnode.Heights) string {
	first, ok := heights.First()
	if !ok {
		return "no " + what
	}
	last, _ := heights.Last()
	return fmt.Sprintf("%d %s (%d to %d)", heights.Count(), what, first, last)
}
