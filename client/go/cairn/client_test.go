package cairn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

func open(tb testing.TB, d *cairntest.Daemon) *cairn.Client {
	tb.Helper()
	c, err := cairn.Open(context.Background(), cairn.Options{Socket: d.Socket, Name: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestBlocksStatesAndMetadata(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	created, err := c.CreateChain(ctx, "aux")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	ch := c.Chain("aux")
	if ch != c.Chain("aux") || ch.Name() != "aux" || ch.Client() != c {
		t.Fatal("another chain")
	}
	if h, err := ch.Height(ctx); err != nil || h != 0 {
		t.Fatal(h, err)
	}
	none := uint64(0)
	r, err := ch.Commit(ctx, &cairn.CommitRequest{
		ExpectedHeight: &none,
		Blocks: []cairn.Block{
			{Height: 1, Header: []byte("h1"), Data: []byte("d1"), Signature: []byte("s1"), Hash: []byte("hash1")},
			{Height: 3, Header: []byte("h3")},
		},
		States:   []cairn.State{{Height: 0, Value: []byte("genesis")}, {Height: 1, Value: nil}},
		RiseTo:   1,
		Metadata: []cairn.Operation{cairn.Set("a", []byte("1")), cairn.SetBound("b", nil, 1), cairn.Raise("n", 7)},
	})
	if err != nil || r.Sequence == 0 || r.Level != cairn.LevelDurable {
		t.Fatal(r, err)
	}
	b, err := ch.Block(ctx, 1, cairn.PartsAll)
	if err != nil || string(b.Header) != "h1" || string(b.Data) != "d1" || string(b.Signature) != "s1" || string(b.Hash) != "hash1" {
		t.Fatal(b, err)
	}
	b, err = ch.BlockByHash(ctx, []byte("hash1"), cairn.PartHeader)
	if err != nil || b.Height != 1 || b.Data != nil {
		t.Fatal(b, err)
	}
	if _, err := ch.Block(ctx, 2, 0); !errors.Is(err, cairn.ErrNotFound) {
		t.Fatal(err)
	}
	var heights []uint64
	for b, err := range ch.Blocks(ctx, 1, 10, cairn.PartHeader) {
		must(t, err)
		heights = append(heights, b.Height)
	}
	for b, err := range ch.BlocksAt(ctx, []uint64{3, 2}, cairn.PartHeader) {
		must(t, err)
		heights = append(heights, b.Height)
		if b.Absent != (b.Height == 2) {
			t.Fatal(b)
		}
	}
	if fmt.Sprint(heights) != "[1 3 3 2]" {
		t.Fatal(heights)
	}
	s, err := ch.State(ctx, 0)
	if err != nil || string(s) != "genesis" {
		t.Fatal(s, err)
	}
	last, err := ch.LastState(ctx)
	if err != nil || last.Height != 1 || last.Value == nil || len(last.Value) != 0 {
		t.Fatal(last, err)
	}
	must(t, ch.Set(ctx, "c", []byte("3")))
	must(t, ch.Raise(ctx, "n", 5))
	must(t, ch.Delete(ctx, "a"))
	if _, err := ch.Get(ctx, "a"); !errors.Is(err, cairn.ErrNotFound) || err.Error() != "cairn: not found: get metadata" {
		t.Fatal(err)
	}
	if v, err := ch.Get(ctx, "b"); err != nil || v == nil || len(v) != 0 {
		t.Fatal(v, err)
	}
	m, err := ch.GetParts(ctx, "b", cairn.MetadataValue|cairn.MetadataBinding)
	if err != nil || m.OfHeight != 1 {
		t.Fatal(m, err)
	}
	if v, err := ch.Get(ctx, "n"); err != nil || !bytes.Equal(v, []byte{7, 0, 0, 0, 0, 0, 0, 0}) {
		t.Fatal(v, err)
	}
	var names []string
	parts := cairn.MetadataValue | cairn.MetadataBinding
	for m, err := range ch.List(ctx, cairn.ListRequest{Parts: parts}) {
		must(t, err)
		names = append(names, m.Name)
	}
	for m, err := range ch.GetMany(ctx, []string{"zz", "c"}, parts) {
		must(t, err)
		if m.Absent != (m.Name == "zz") {
			t.Fatal(m)
		}
		names = append(names, m.Name)
	}
	if fmt.Sprint(names) != "[b c n zz c]" {
		t.Fatal(names)
	}
	if _, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &none}); !errors.Is(err, cairn.ErrConflict) {
		t.Fatal(err)
	}
	dry, err := ch.Prune(ctx, &cairn.PruneRequest{BlocksThrough: 1, DryRun: true})
	if err != nil || dry.Blocks != 1 || dry.Sequence != 0 {
		t.Fatal(dry, err)
	}
	if _, err := ch.Prune(ctx, &cairn.PruneRequest{BlocksThrough: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Get(ctx, "b"); !errors.Is(err, cairn.ErrNotFound) {
		t.Fatal(err)
	}
	rolled, err := ch.Rollback(ctx, &cairn.RollbackRequest{To: 1, DryRun: true})
	if !errors.Is(err, cairn.ErrConflict) {
		t.Fatal(rolled, err)
	}
	must(t, c.Barrier(ctx, cairn.LevelDefault))
	chains, err := c.Chains(ctx)
	if err != nil || len(chains) != 2 || chains[0].Name != "aux" || chains[0].BlocksPrunedThrough != 1 {
		t.Fatal(chains, err)
	}
	if entries, err := c.Status(ctx); err != nil || len(entries) < 10 {
		t.Fatal(entries, err)
	}
	must(t, c.DropChain(ctx, "aux"))
	if _, err := ch.Height(ctx); !errors.Is(err, cairn.ErrInvalid) {
		t.Fatal(err)
	}
	must(t, c.Close())
	must(t, c.Close())
	if _, err := ch.Height(ctx); !errors.Is(err, cairn.ErrClosed) {
		t.Fatal(err)
	}
	if err := ch.Set(ctx, "x", nil); !errors.Is(err, cairn.ErrClosed) {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Connected || s.OpenStreams != 0 || s.KeptWrites != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestAcceptedMetadataSurvivesKills(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t, "--flush-delay", "10s")
	c := open(t, d)
	ch := c.Chain("default")
	for round := range 3 {
		for i := range 200 {
			must(t, ch.Set(ctx, fmt.Sprintf("name %d", i), fmt.Appendf(nil, "%d %d", round, i)))
		}
		d.Restart()
		for i := range 200 {
			v, err := ch.Get(ctx, fmt.Sprintf("name %d", i))
			if err != nil || string(v) != fmt.Sprintf("%d %d", round, i) {
				t.Fatalf("round %d, name %d: %q %v", round, i, v, err)
			}
		}
	}
	if s := c.Stats(); s.Reconnects != 3 || s.Resent == 0 || s.Dropped != 0 {
		t.Fatalf("%+v", s)
	}
}

// While there is no daemon, a call whose context ends says so, and why.
func TestCallWithoutADaemonSaysWhy(t *testing.T) {
	d := cairntest.Start(t)
	ch := open(t, d).Chain("default")
	must(t, ch.Set(context.Background(), "name", []byte("value")))
	d.Kill()
	for { // the first may still be on its way when the daemon dies
		_, err := ch.Get(cairntest.EndingContext(), "name")
		if errors.Is(err, context.Canceled) && strings.Contains(err.Error(), d.Socket) {
			break
		}
		t.Logf("%v", err)
	}
	d.Restart()
}
