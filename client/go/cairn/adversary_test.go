package cairn_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// An adversary: many goroutines call a client with contexts of every kind, and leave lists standing, while the daemon is killed, the
// claim is lost, and the client is closed. Each goroutine has names of its own, and knows from what its calls returned which values
// they may have: an oracle for what it reads meanwhile, and for what is there at the end.
type adversary struct {
	t       *testing.T
	client  *cairn.Client
	chain   *cairn.Chain
	me      string
	level   cairn.Level // of metadata; LevelDefault: accepted
	unknown bool        // writes may be unknown
	claimed bool        // they may be refused, since another claims the chain

	stop      atomic.Bool
	group     sync.WaitGroup
	mu        sync.Mutex
	registers []*register
	blocks    uint64 // the chain's height, of the one who writes blocks
	failures  atomic.Int64
}

// A register is a name that one goroutine writes, and the values that it may have: one, but for writes that are unknown.
type register struct {
	name string
	may  []uint64 // 0: absent
	next uint64
}

// noted takes what a write returned.
func (a *adversary) noted(r *register, number uint64, err error) {
	switch {
	case err == nil:
		r.may = []uint64{number}
	case errors.Is(err, cairn.ErrUnknown) && a.unknown:
		r.may = append(r.may, number)
	case errors.Is(err, cairn.ErrUnknown):
		a.fail("%s: %v", r.name, err)
	case a.mayFail(err):
	default:
		a.fail("%s: %v", r.name, err)
	}
}

// mayFail tells whether a call may fail so, and is not applied then.
func (a *adversary) mayFail(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, cairn.ErrBusy) ||
		errors.Is(err, cairn.ErrClosed) || (a.claimed && errors.Is(err, cairn.ErrClaimed))
}

// read checks a value; nil: it is absent.
func (a *adversary) read(r *register, value []byte) {
	number := uint64(0)
	if value != nil {
		number = numberOf(value)
	}
	if !slices.Contains(r.may, number) {
		a.fail("%s is %d and may be %v", r.name, number, r.may)
		return
	}
	r.may = []uint64{number}
}

func (a *adversary) fail(format string, arguments ...any) {
	if a.failures.Add(1) < 10 {
		a.t.Errorf(format, arguments...)
	}
}

// A value is its number, again and again: tiny, or huge now and then.
func valueOf(random *rand.Rand, number uint64) []byte {
	n := 1
	switch random.IntN(200) {
	case 0:
		n = 1 << 17
	case 1, 2, 3, 4:
		n = 1 << 10
	}
	value := make([]byte, 0, 8*n)
	for range n {
		value = binary.LittleEndian.AppendUint64(value, number)
	}
	return value
}

// numberOf gives the number of a value, a great one if it is not whole.
func numberOf(value []byte) uint64 {
	if len(value) < 8 || len(value)%8 != 0 {
		return 1 << 63
	}
	number := binary.LittleEndian.Uint64(value)
	for ; len(value) > 0; value = value[8:] {
		if binary.LittleEndian.Uint64(value) != number {
			return 1 << 63
		}
	}
	return number
}

// anyContext gives none, one that is over, one with a deadline, or one that is cancelled at some time.
func anyContext(random *rand.Rand) (context.Context, context.CancelFunc) {
	switch random.IntN(6) {
	case 0:
		return nil, func() {}
	case 1:
		return context.Background(), func() {}
	case 2:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx, cancel
	case 3:
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(random.IntN(20_000))*time.Microsecond, cancel)
		return ctx, cancel
	default:
		return context.WithTimeout(context.Background(), time.Millisecond<<random.IntN(12))
	}
}

// work is one goroutine of it.
func (a *adversary) work(random *rand.Rand, g int) {
	defer a.group.Done()
	set := &register{name: fmt.Sprintf("%s/%d/set", a.me, g), may: []uint64{0}}
	committed := &register{name: fmt.Sprintf("%s/%d/commit", a.me, g), may: []uint64{0}}
	a.mu.Lock()
	a.registers = append(a.registers, set, committed)
	a.mu.Unlock()
	for !a.stop.Load() {
		ctx, cancel := anyContext(random)
		switch r := set; random.IntN(12) {
		case 0, 1, 2, 3, 4:
			r.next++
			_, err := a.chain.Write(ctx, []cairn.Operation{cairn.Set(r.name, valueOf(random, r.next))}, a.level)
			a.noted(r, r.next, err)
		case 5:
			_, err := a.chain.Write(ctx, []cairn.Operation{cairn.Delete(r.name)}, a.level)
			a.noted(r, 0, err)
		case 6, 7:
			r = committed
			r.next++
			_, err := a.chain.Commit(ctx, &cairn.CommitRequest{Level: cairn.LevelWritten,
				Metadata: []cairn.Operation{cairn.Set(r.name, valueOf(random, r.next))}})
			a.noted(r, r.next, err)
		case 8:
			r = committed
			fallthrough
		case 9, 10:
			switch value, err := a.chain.Get(ctx, r.name); {
			case err == nil:
				a.read(r, value)
			case errors.Is(err, cairn.ErrNotFound):
				a.read(r, nil)
			case !a.mayFail(err):
				a.fail("get %s: %v", r.name, err)
			}
		default:
			a.list(ctx, random, set)
		}
		cancel()
		if a.client.Stats().Connected && random.IntN(8) == 0 {
			runtime.Gosched()
		}
	}
}

// list reads some of a list that has a goroutine's own name in it, and leaves it, closes it, or forgets it.
func (a *adversary) list(ctx context.Context, random *rand.Rand, own *register) {
	cursor := a.chain.OpenList(ctx, cairn.ListRequest{Parts: cairn.MetadataValue, Start: own.name[:len(own.name)-random.IntN(4)]})
	leave := random.IntN(100)
	for range leave {
		m, ok := cursor.Next()
		if !ok {
			break
		}
		if m.Name == own.name {
			a.read(own, m.Value)
		}
	}
	switch random.IntN(3) {
	case 0:
		go cursor.Close()
		for ok := true; ok; _, ok = cursor.Next() {
		}
	case 1:
		cursor.Close()
	}
	if err := cursor.Err(); err != nil && !a.mayFail(err) {
		a.fail("list: %v", err)
	}
}

// writeBlocks commits blocks, each once.
func (a *adversary) writeBlocks(random *rand.Rand) {
	defer a.group.Done()
	for !a.stop.Load() {
		ctx, cancel := anyContext(random)
		height := a.blocks + 1
		_, err := a.chain.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &a.blocks, RiseTo: height,
			Blocks: []cairn.Block{{Height: height, Header: valueOf(random, height)}}})
		cancel()
		switch {
		case err == nil:
			a.blocks = height
		case errors.Is(err, cairn.ErrClosed):
			return
		case !a.mayFail(err) || errors.Is(err, cairn.ErrUnknown):
			a.fail("block %d: %v", height, err)
			return
		}
	}
}

func (a *adversary) begin(random *rand.Rand, goroutines int) {
	for g := range goroutines {
		a.group.Add(1)
		go a.work(rand.New(rand.NewPCG(random.Uint64(), 0)), g)
	}
}

func (a *adversary) end() {
	a.stop.Store(true)
	a.group.Wait()
}

// verify compares what another client reads with the oracle.
func (a *adversary) verify(d *cairntest.Daemon) {
	a.t.Helper()
	ch := open(a.t, d).Chain("default")
	found := map[string][]byte{}
	for m, err := range ch.List(nil, cairn.ListRequest{Parts: cairn.MetadataValue, Prefix: a.me + "/"}) {
		must(a.t, err)
		found[m.Name] = m.Value
	}
	for _, r := range a.registers {
		a.read(r, found[r.name])
	}
	if height, err := ch.Height(nil); err != nil || height != a.blocks {
		a.fail("the height is %d, %v; %d blocks were committed", height, err, a.blocks)
	}
	n := uint64(0)
	for b, err := range ch.Blocks(nil, 1, 1<<40, cairn.PartHeader) {
		must(a.t, err)
		if n++; b.Height != n || numberOf(b.Header) != n {
			a.fail("block %d is %d", n, b.Height)
		}
	}
	if n != a.blocks {
		a.fail("%d of %d blocks are there", n, a.blocks)
	}
	a.t.Logf("%d registers, %d blocks, %+v", len(a.registers), a.blocks, a.client.Stats())
}

func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// disturb ends the daemon and starts it again, so many times.
func disturb(d *cairntest.Daemon, random *rand.Rand, times int) {
	for range times {
		time.Sleep(time.Duration(20+random.IntN(120)) * time.Millisecond)
		if random.IntN(4) == 0 {
			d.Stop()
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		}
		d.Restart()
	}
}

// Under a claim every write is told from its result, whatever contexts do and however often the daemon is killed.
func TestAnAdversaryUnderAClaim(t *testing.T) {
	for _, way := range []struct{ processors, goroutines int }{{1, 20}, {2, 200}, {8, 40}} {
		t.Run(fmt.Sprintf("%d processors, %d goroutines", way.processors, way.goroutines), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(way.processors))
			random := seeded(t)
			d := cairntest.Start(t)
			c := open(t, d)
			a := &adversary{t: t, client: c, chain: c.Chain("default"), me: "a"}
			claim, err := a.chain.Claim(nil, cairn.ClaimOptions{})
			must(t, err)
			a.begin(random, way.goroutines)
			a.group.Add(1)
			go a.writeBlocks(rand.New(rand.NewPCG(random.Uint64(), 0)))
			disturb(d, random, 6)
			a.end()
			select {
			case <-claim.Lost():
				t.Error("the claim is lost")
			default:
			}
			must(t, c.Barrier(nil, cairn.LevelWritten))
			d.Restart()
			a.verify(d)
		})
	}
}

// The same where connections are lost and the daemon's run goes on: what was not answered is applied once, also when the daemon is killed
// behind that.
func TestAnAdversaryWhoseConnectionsAreCut(t *testing.T) {
	random := seeded(t)
	d, spoil, chain := claimBehindSpoiler(t)
	a := &adversary{t: t, client: chain.Client(), chain: chain, me: "a", level: cairn.Level(random.IntN(int(cairn.LevelDurable) + 1))}
	a.begin(random, 40)
	a.group.Add(1)
	go a.writeBlocks(rand.New(rand.NewPCG(random.Uint64(), 0)))
	for range 20 {
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		spoil.cut()
		if random.IntN(4) == 0 {
			d.Restart()
		}
	}
	a.end()
	must(t, a.client.Barrier(nil, cairn.LevelWritten))
	d.Restart()
	a.verify(d)
}

// The client is closed while calls are under way: what it said is applied is there, and of ErrClosed nothing is.
func TestAnAdversaryWhileTheClientIsClosed(t *testing.T) {
	random := seeded(t)
	for range 4 {
		d := cairntest.Start(t)
		c := open(t, d)
		a := &adversary{t: t, client: c, chain: c.Chain("default"), me: "a"}
		_, err := a.chain.Claim(nil, cairn.ClaimOptions{})
		must(t, err)
		a.unknown = true // what is under way when the client ends
		a.begin(random, 30)
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		killed, kills := make(chan struct{}), random.IntN(2)
		go func() {
			defer close(killed)
			disturb(d, rand.New(rand.NewPCG(uint64(kills), 0)), kills)
		}()
		must(t, c.Close())
		must(t, c.Close())
		<-killed
		a.end()
		d.Restart()
		a.verify(d)
	}
}

// Two clients fight for the chain, and the daemon is killed: a write that a client was told is applied is there, and one that was
// refused since the claim was lost is not.
func TestAnAdversaryWhoseClaimIsLost(t *testing.T) {
	random := seeded(t)
	d := cairntest.Start(t)
	var both []*adversary
	for _, me := range []string{"a", "b"} {
		c := open(t, d)
		a := &adversary{t: t, client: c, chain: c.Chain("default"), me: me, level: cairn.LevelWritten, unknown: true, claimed: true}
		both = append(both, a)
		a.begin(random, 20)
		random := rand.New(rand.NewPCG(random.Uint64(), 0))
		a.group.Add(1)
		go func() {
			defer a.group.Done()
			for !a.stop.Load() {
				ctx, cancel := anyContext(random)
				claim, err := a.chain.Claim(ctx, cairn.ClaimOptions{WriterName: me, TakeOver: true})
				cancel()
				if err != nil && !a.mayFail(err) && !strings.Contains(err.Error(), "may or may not") {
					a.fail("claim: %v", err)
					return
				}
				time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
				if claim != nil && random.IntN(4) == 0 {
					if err := claim.Release(nil); err != nil {
						a.fail("release: %v", err)
					}
				}
			}
		}()
	}
	disturb(d, random, 5)
	for _, a := range both {
		a.end()
	}
	for _, a := range both {
		must(t, a.client.Barrier(nil, cairn.LevelWritten))
	}
	d.Restart()
	for _, a := range both {
		a.verify(d)
	}
}
