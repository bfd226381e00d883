//go:build !race

package cairn_test

import (
	"context"
	"testing"

	"cairn.invalid/client/go/cairn/cairntest"
)

// A read allocates the value that it returns, an accepted write nothing. The average is of so many calls that what else the process
// allocates meanwhile, rounded down, does not show.
func TestCallsAllocateWhatTheyReturn(t *testing.T) {
	const calls = 5000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := open(t, cairntest.Start(t)).Chain("default")
	value := []byte("12345678")
	if n := testing.AllocsPerRun(calls, func() { must(t, ch.Set(ctx, "name", value)) }); n > 0 {
		t.Errorf("a put allocates %v times", n)
	}
	if n := testing.AllocsPerRun(calls, func() {
		if _, err := ch.Get(ctx, "name"); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("a get allocates %v times", n)
	}
	if n := testing.AllocsPerRun(calls, func() { _, _ = ch.Get(ctx, "absent") }); n > 0 {
		t.Errorf("a get of what is not there allocates %v times", n)
	}
}
