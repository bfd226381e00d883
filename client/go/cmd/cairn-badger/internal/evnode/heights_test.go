package evnode

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestHeights(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var set, other Heights
	if _, ok := set.First(); ok || set.Has(0) || set.Count() != 0 {
		t.Fatal("an empty set is not empty")
	}
	expected := map[uint64]bool{}
	for range 3000 {
		height := random.Uint64N(10_000)
		if random.IntN(100) == 0 {
			height = random.Uint64()
		}
		if random.IntN(2) == 0 {
			other.Add(height)
		} else {
			set.Add(height)
			expected[height] = true
		}
	}
	var sorted []uint64
	for height := range expected {
		sorted = append(sorted, height)
		if !set.Has(height) {
			t.Fatalf("%d is missing", height)
		}
	}
	slices.Sort(sorted)
	from := sorted[len(sorted)/3] + 1
	at, _ := slices.BinarySearch(sorted, from)
	if got := slices.Collect(set.From(from)); !slices.Equal(got, sorted[at:]) {
		t.Fatalf("from %d: %d heights instead of %d", from, len(got), len(sorted[at:]))
	}
	first, _ := set.First()
	last, _ := set.Last()
	if set.Count() != uint64(len(sorted)) || first != sorted[0] || last != sorted[len(sorted)-1] {
		t.Fatalf("count %d, first %d, last %d", set.Count(), first, last)
	}
	union := Union(&set, &other)
	for height := range other.From(0) {
		expected[height] = true
	}
	if union.Count() != uint64(len(expected)) || uint64(len(slices.Collect(union.From(0)))) != union.Count() {
		t.Fatalf("a union of %d instead of %d", union.Count(), len(expected))
	}
}
