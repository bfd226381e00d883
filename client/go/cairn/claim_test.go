package cairn_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// lost waits until a claim is known to be lost.
func lost(tb testing.TB, claim *cairn.Claim) {
	tb.Helper()
	select {
	case <-claim.Lost():
	case <-time.After(2 * time.Minute):
		tb.Fatal("the claim is not lost")
	}
}

func TestClaimsAreRefusedTakenOverAndReleased(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t, "--claim-grace", "100ms")
	a, b := open(t, d), open(t, d)
	first, err := a.Chain("default").Claim(ctx, cairn.ClaimOptions{WriterName: "first"})
	must(t, err)
	if _, err := b.Chain("default").Claim(ctx, cairn.ClaimOptions{}); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	if err := b.Chain("default").Set(ctx, "x", nil); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	must(t, a.Chain("default").Set(ctx, "x", []byte("first")))
	_, err = a.Chain("default").Commit(ctx, &cairn.CommitRequest{RiseTo: 1})
	must(t, err)
	chains, err := b.Chains(ctx)
	if err != nil || chains[0].Claim == nil || chains[0].Claim.Writer != "first" || !chains[0].Claim.Held {
		t.Fatalf("%+v %v", chains, err)
	}

	second, err := b.Chain("default").Claim(ctx, cairn.ClaimOptions{WriterName: "second", TakeOver: true})
	must(t, err)
	if second.Epoch().Sequence <= first.Epoch().Sequence {
		t.Fatal(second.Epoch())
	}
	number := strconv.FormatUint(second.Epoch().Sequence, 10)
	for format, want := range map[string]string{"%v": number, "%+v": number, "%#v": "cairn.Epoch{Sequence:" + number + "}"} {
		if shown := fmt.Sprintf(format, second.Epoch()); shown != want {
			t.Errorf("%s shows %s", format, shown) // the secret bits must not be seen
		}
	}
	if err := a.Chain("default").Set(ctx, "x", nil); !errors.Is(err, cairn.ErrClaimed) || !errors.Is(err, cairn.ErrConflict) {
		t.Fatal(err)
	}
	lost(t, first)
	if _, err := a.Chain("default").Commit(ctx, &cairn.CommitRequest{RiseTo: 2}); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	_, err = b.Chain("default").Commit(ctx, &cairn.CommitRequest{RiseTo: 2})
	must(t, err)

	must(t, first.Release(ctx))
	must(t, first.Release(ctx))
	if err := a.Chain("default").Set(ctx, "x", nil); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal("released what was lost, and wrote:", err)
	}
	must(t, second.Release(ctx))
	must(t, second.Release(ctx))
	must(t, a.Chain("default").Set(ctx, "x", []byte("a")))
	must(t, b.Chain("default").Set(ctx, "x", []byte("b")))
	_, err = b.Chain("default").Commit(ctx, &cairn.CommitRequest{RiseTo: 3})
	must(t, err)
	select {
	case <-second.Lost():
		t.Fatal("a release is no loss")
	default:
	}
}

// lines are what a client logs.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestAClaimWaitsForTheHolderToGo(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t, "--claim-grace", "100ms")
	a := open(t, d)
	_, err := a.Chain("default").Claim(ctx, cairn.ClaimOptions{WriterName: "first"})
	must(t, err)
	told := make(lines, 100)
	b, err := cairn.Open(ctx, cairn.Options{Socket: d.Socket, Logger: slog.New(slog.NewTextHandler(told, nil))})
	must(t, err)
	t.Cleanup(func() { b.Close() })
	short, cancel := context.WithCancel(ctx)
	go func() { // it says at once for whom it waits
		for line := range told {
			if strings.Contains(line, "waiting") && strings.Contains(line, "first") {
				cancel()
			}
		}
	}()
	_, err = b.Chain("default").Claim(short, cairn.ClaimOptions{Wait: true})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	_, err = b.Chain("default").Claim(short, cairn.ClaimOptions{Wait: true}) // it is over
	if !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Chain("default").Claim(ctx, cairn.ClaimOptions{Wait: true})
		done <- err
	}()
	must(t, a.Close())
	must(t, <-done)
}

func TestADroppedChainLosesItsClaim(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	_, err := c.CreateChain(ctx, "aux")
	must(t, err)
	claim, err := c.Chain("aux").Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	must(t, c.Chain("aux").Set(ctx, "x", nil))
	must(t, c.DropChain(ctx, "aux"))
	lost(t, claim)
	_, err = c.CreateChain(ctx, "aux")
	must(t, err)
	must(t, c.Chain("aux").Set(ctx, "x", nil))
}

// A commit that is refused makes the daemon refuse those behind it for their numbers; they get through all the same.
func TestARefusedCommitDoesNotStopOthers(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	_, err := ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	never := uint64(1 << 40)
	var group sync.WaitGroup
	for g := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 30 {
				if g%4 == 0 {
					if _, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &never, Level: cairn.LevelWritten}); !errors.Is(err, cairn.ErrHeight) {
						t.Error("refused for another reason:", err)
					}
					continue
				}
				name := fmt.Sprintf("%d/%d", g, i)
				if _, err := ch.Commit(ctx, &cairn.CommitRequest{Level: cairn.LevelWritten,
					Metadata: []cairn.Operation{cairn.Set(name, nil)}}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	n := 0
	for _, err := range ch.List(ctx, cairn.ListRequest{}) {
		must(t, err)
		n++
	}
	if n != 12*30 {
		t.Fatal(n)
	}
}

// The daemon is killed again and again under a claim, with commits, accepted puts and raises under way. Every call succeeds,
// nothing is lost, and nothing happens twice: each commit expects the height that the commits before it left.
func TestNothingIsLostAndNothingHappensTwiceUnderAClaim(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ctx := context.Background()
	d := cairntest.Start(t)
	c := open(t, d)
	ch := c.Chain("default")
	claim, err := ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)

	var stop atomic.Bool
	var group sync.WaitGroup
	var heights uint64
	group.Add(1)
	go func() { // the block writer
		defer group.Done()
		for !stop.Load() {
			expected := heights
			_, err := ch.Commit(ctx, &cairn.CommitRequest{
				ExpectedHeight: &expected, RiseTo: expected + 1,
				Blocks: []cairn.Block{{Height: expected + 1, Header: fmt.Appendf(nil, "header %d", expected+1)}},
			})
			if err != nil {
				t.Errorf("block %d: %v", expected+1, err)
				return
			}
			heights++
		}
	}()
	const writers = 8
	var puts [writers]int
	for g := range writers {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 1; !stop.Load(); i++ {
				if err := ch.Set(ctx, fmt.Sprintf("put %d", g), binary.LittleEndian.AppendUint64(nil, uint64(i))); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if i%16 == 0 {
					if _, err := ch.Commit(ctx, &cairn.CommitRequest{Level: cairn.LevelWritten,
						Metadata: []cairn.Operation{cairn.Set(fmt.Sprintf("commit %d", g), binary.LittleEndian.AppendUint64(nil, uint64(i)))}}); err != nil {
						t.Errorf("commit: %v", err)
						return
					}
				}
				puts[g] = i
				if v, err := ch.Get(ctx, fmt.Sprintf("put %d", g)); err != nil || binary.LittleEndian.Uint64(v) != uint64(i) {
					t.Errorf("writer %d reads %v, %v behind its put of %d", g, v, err, i)
					return
				}
			}
		}()
	}
	for range 8 {
		time.Sleep(time.Duration(20+random.IntN(150)) * time.Millisecond)
		d.Restart()
	}
	stop.Store(true)
	group.Wait()
	select {
	case <-claim.Lost():
		t.Fatal("the claim is lost")
	default:
	}
	d.Restart()
	if h, err := ch.Height(ctx); err != nil || h != heights {
		t.Fatalf("height %d, %v; %d were committed", h, err, heights)
	}
	n := uint64(0)
	for b, err := range ch.Blocks(ctx, 1, heights+100, cairn.PartHeader) {
		must(t, err)
		n++
		if b.Height != n || string(b.Header) != fmt.Sprintf("header %d", n) {
			t.Fatal(b)
		}
	}
	if n != heights {
		t.Fatal(n, heights)
	}
	for g := range writers {
		v, err := ch.Get(ctx, fmt.Sprintf("put %d", g))
		if puts[g] > 0 && (err != nil || binary.LittleEndian.Uint64(v) != uint64(puts[g])) {
			t.Fatalf("writer %d put %d last, and %v is there: %v", g, puts[g], v, err)
		}
	}
	t.Logf("%d blocks, %v puts, %+v", heights, puts, c.Stats())
}

// Two clients fight for a chain. Each block was written by the one that held the claim, and no height twice.
func TestTwoClientsFightForAClaim(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	var group sync.WaitGroup
	var written sync.Map // height to client
	var turns [2]int
	stop := make(chan struct{})
	for me := range 2 {
		c := open(t, d)
		group.Add(1)
		go func() {
			defer group.Done()
			ch := c.Chain("default")
			for {
				select {
				case <-stop:
					return
				default:
				}
				claim, err := ch.Claim(ctx, cairn.ClaimOptions{WriterName: fmt.Sprintf("client %d", me), TakeOver: true})
				if errors.Is(err, cairn.ErrClaimed) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				turns[me]++
				for {
					h, err := ch.Height(ctx)
					if err == nil {
						h++
						_, err = ch.Commit(ctx, &cairn.CommitRequest{RiseTo: h, Level: cairn.LevelWritten,
							Blocks: []cairn.Block{{Height: h, Header: []byte{byte(me)}}}})
					}
					if errors.Is(err, cairn.ErrClaimed) && !errors.Is(err, cairn.ErrUnknown) {
						lost(t, claim)
						break
					}
					if err != nil && !errors.Is(err, cairn.ErrUnknown) {
						t.Errorf("client %d, height %d: %v", me, h, err)
						return
					}
					if err == nil {
						if other, loaded := written.Swap(h, me); loaded {
							t.Errorf("height %d by %d and by %d", h, other, me)
						}
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			}
		}()
	}
	for i := range 4 {
		time.Sleep(150 * time.Millisecond)
		if i%2 == 0 {
			d.Restart()
		}
	}
	close(stop)
	group.Wait()
	c := open(t, d)
	for b, err := range c.Chain("default").Blocks(ctx, 1, 1<<40, cairn.PartHeader) {
		must(t, err)
		if me, ok := written.Load(b.Height); ok && b.Header[0] != byte(me.(int)) {
			t.Errorf("height %d is of %d and was written by %d", b.Height, b.Header[0], me)
		}
	}
	t.Logf("turns %v", turns)
}

// beside runs a function again and again in a few goroutines, until the function that is returned is called.
func beside(what func(name string)) (stop func()) {
	var wait sync.WaitGroup
	var stopping atomic.Bool
	for g := range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := 0; !stopping.Load(); i++ {
				what(fmt.Sprintf("%d-%d", g, i))
			}
		}()
	}
	return func() {
		stopping.Store(true)
		wait.Wait()
	}
}

// A write that was sent before the epoch was presented on its connection is refused, and is no reason to take the claim for lost.
func TestClaimsAreNotLostByTheClientsOwnWrites(t *testing.T) {
	ctx := context.Background()
	ch := open(t, cairntest.Start(t)).Chain("default")
	stop := beside(func(string) { ch.Set(ctx, "beside", nil) }) // refused, or not
	defer stop()
	for range 50 {
		claim, err := ch.Claim(ctx, cairn.ClaimOptions{})
		must(t, err)
		must(t, ch.Set(ctx, "a", nil))
		must(t, claim.Release(ctx))
	}
}

// The numbers of an epoch and of the next one are not confused: a write that is said to be applied is there.
func TestClaimingAnewLosesNoWrites(t *testing.T) {
	ctx := context.Background()
	ch := open(t, cairntest.Start(t)).Chain("default")
	var applied sync.Map
	commit := func(name string) error {
		_, err := ch.Commit(ctx, &cairn.CommitRequest{Metadata: []cairn.Operation{cairn.Set(name, nil)}})
		if err == nil {
			applied.Store(name, true)
		}
		return err
	}
	_, err := ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	stop := beside(func(name string) { commit(name) }) // refused, or not
	defer stop()
	for i := range 50 {
		_, err := ch.Claim(ctx, cairn.ClaimOptions{})
		must(t, err)
		must(t, commit(fmt.Sprint("own", i)))
	}
	stop()
	for name := range applied.Range {
		if _, err := ch.Get(ctx, name.(string)); err != nil {
			t.Error(name, "was said to be applied:", err)
		}
	}
}

// A release makes the connections anew, which no other writer notices.
func TestAReleaseLeavesOtherWritesAlone(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	_, err := c.CreateChain(ctx, "aux")
	must(t, err)
	stop := beside(func(string) {
		if err := c.Chain("aux").Set(ctx, "beside", nil); err != nil {
			t.Error(err)
		}
	})
	defer stop()
	for range 50 {
		claim, err := c.Chain("default").Claim(ctx, cairn.ClaimOptions{})
		must(t, err)
		must(t, claim.Release(ctx))
	}
}
