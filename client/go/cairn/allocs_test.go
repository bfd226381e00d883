//go:build !race

package cairn_test

import (
	"context"
	"testing"

	"cairn.invalid/client/go/cairn/cairntest"
)

// A read allocates the value that it returns, an accepted write nothing. The average is of so many calls that what else the process
// allocates meanwhile, rounded down, does not show: but for the frames that the client keeps until they are written. When the daemon's
// writer stands still each put needs a new one, up to the 8,192 operations that the daemon's queue holds, and later ones use them again.
// So of several averages one at most can be of such puts.
func TestCallsAllocateWhatTheyReturn(t *testing.T) {
	const calls = 5000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := open(t, cairntest.Start(t)).Chain("default")
	value := []byte("12345678")
	least := func(call func()) float64 {
		return min(testing.AllocsPerRun(calls, call), testing.AllocsPerRun(calls, call), testing.AllocsPerRun(calls, call))
	}
	if n := least(func() { must(t, ch.Set(ctx, "name", value)) }); n > 0 {
		t.Errorf("a put allocates %v times", n)
	}
	if n := least(func() {
		if _, err := ch.Get(ctx, "name"); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("a get allocates %v times", n)
	}
	if n := least(func() { _, _ = ch.Get(ctx, "absent") }); n > 0 {
		t.Errorf("a get of what is not there allocates %v times", n)
	}
}
