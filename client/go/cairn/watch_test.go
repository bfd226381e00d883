package cairn_test

import (
	"context"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

func claimed(t *testing.T, client *cairn.Client, chain string, options cairn.ClaimOptions) *cairn.Claim {
	t.Helper()
	claim, err := client.Chain(chain).Claim(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func wantHolds(t *testing.T, claim *cairn.Claim, want bool) {
	t.Helper()
	if _, holds := claim.Holds(); holds != want {
		t.Fatalf("the claim holds: %v, want %v", holds, want)
	}
}

// untilHolds returns the generation of a claim that comes to hold again.
func untilHolds(t *testing.T, claim *cairn.Claim) uint64 {
	t.Helper()
	for range 60 * 1000 {
		if generation, holds := claim.Holds(); holds {
			return generation
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the claim does not hold again")
	return 0
}

// A claim does not hold any more from the answer to the claim, release or drop on that ended it, however soon one looks.
func TestClaimHolds(t *testing.T) {
	d := cairntest.Start(t)
	ctx := context.Background()
	open := func() *cairn.Client {
		client, err := cairn.Open(ctx, cairn.Options{Socket: d.Socket})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return client
	}
	first, second := open(), open()
	if _, err := first.CreateChain(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	a := claimed(t, first, "x", cairn.ClaimOptions{})
	other := claimed(t, first, "default", cairn.ClaimOptions{})
	wantHolds(t, a, true)
	for range 20 {
		b := claimed(t, second, "x", cairn.ClaimOptions{TakeOver: true})
		wantHolds(t, a, false)
		wantHolds(t, b, true)
		wantHolds(t, other, true)
		a = claimed(t, first, "x", cairn.ClaimOptions{TakeOver: true})
		wantHolds(t, b, false)
		wantHolds(t, a, true)
	}
	again := claimed(t, first, "x", cairn.ClaimOptions{TakeOver: true}) // this client itself
	wantHolds(t, a, false)
	wantHolds(t, again, true)
	if err := again.Release(ctx); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, again, false)

	before := untilHolds(t, other) // a release has the connections made anew
	d.Restart()
	if after := untilHolds(t, other); after == before {
		t.Fatal("the generation is the same on other connections")
	}
	if err := first.DropChain(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, other, false)
}

// While the daemon is away nobody knows.
func TestClaimDoesNotHoldWithoutDaemon(t *testing.T) {
	d := cairntest.Start(t)
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: d.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	claim := claimed(t, client, "default", cairn.ClaimOptions{})
	wantHolds(t, claim, true)
	d.Kill()
	wantHolds(t, claim, false)
	d.Restart()
	untilHolds(t, claim)
	client.Close()
	wantHolds(t, claim, false)
}

func BenchmarkClaimHolds(b *testing.B) {
	d := cairntest.Start(b)
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: d.Socket})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	claim, err := client.Chain("default").Claim(context.Background(), cairn.ClaimOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, holds := claim.Holds(); !holds {
			b.Fatal("it does not hold")
		}
	}
}
