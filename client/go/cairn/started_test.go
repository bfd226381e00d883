//go:build linux

package cairn

import (
	"context"
	"errors"
	"testing"
	"time"
)

// within returns what a call gives that is to end soon, whatever becomes of the daemon.
func within[T any](t *testing.T, what string, call func() T) T {
	t.Helper()
	result := make(chan T, 1)
	go func() { result <- call() }()
	select {
	case r := <-result:
		return r
	case <-time.After(windDownLimit / 2):
		t.Fatalf("%s does not end", what)
		panic("not reached")
	}
}

// A context that Started returned, or one derived from that, ends the calls that come when it is over, and no other does.
func TestStartedContextsEndLaterCalls(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch := c.Chain("default")
	ctx, cancel := context.WithCancel(context.Background())
	started := Started(ctx)
	derived, cancelDerived := context.WithCancel(Started(started))
	defer cancelDerived()
	if _, err := ch.Get(started, "x"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	cancel()
	for name, over := range map[string]context.Context{"started": started, "derived": derived, "again": Started(started)} {
		for call, err := range map[string]error{
			"set": ch.Set(over, "x", nil),
			"get": func() error { _, err := ch.Get(over, "x"); return err }(),
			"list": func() error {
				for _, err := range ch.List(over, ListRequest{}) {
					return err
				}
				return nil
			}(),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
	}
	for name, none := range map[string]context.Context{"over": ctx, "nil": Started(nil), "was over": Started(ctx)} {
		if _, err := ch.Get(none, "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A claim, or the making of a chain, that was sent and not answered is unknown when its context ends while the daemon is away.
func TestWhatWasSentAndIsNotSentAgainIsUnknown(t *testing.T) {
	for name, call := range map[string]func(c *Client, ctx context.Context) error{
		"claim": func(c *Client, ctx context.Context) error {
			_, err := c.Chain("x").Claim(ctx, ClaimOptions{})
			return err
		},
		"create chain": func(c *Client, ctx context.Context) error { _, err := c.CreateChain(ctx, "x"); return err },
	} {
		f := startFake(t)
		c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		f.mute.Store(true)
		ctx, cancel := context.WithCancel(context.Background())
		said := make(chan error, 1)
		go func() { said <- call(c, ctx) }()
		c.writeSession.Load().conns[commits].untilInFlight(1)
		f.Close()
		f.closeAll()
		for c.Stats().Connected {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-said; !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		close(c.stopping)
		<-c.ended
	}
}

// A daemon that does not answer a claim's watch keeps neither the claim nor Close waiting for longer than these wait.
func TestAWatchThatIsNotAnsweredHoldsUpNobody(t *testing.T) {
	limit := closeLimit
	defer func() { closeLimit = limit }()
	closeLimit = 100 * time.Millisecond
	f := startFake(t)
	f.grant.Store(true)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		f.watched(1)
		cancel()
	}()
	claim := within(t, "the claim", func() *Claim {
		claim, err := c.Chain("default").Claim(ctx, ClaimOptions{})
		if err != nil {
			t.Error(err)
		}
		return claim
	})
	if _, holds := claim.Holds(); holds {
		t.Error("it holds, and nobody watches it")
	}
	f.closeAll()
	f.watched(2)
	within(t, "Close", c.Close)
}

// A call that fails since the claim is lost finds Lost closed, also while another one is busy with the loss.
func TestWhoIsToldOfALossFindsLostClosed(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	claim := newClaim()
	claim.chain = c.Chain("default")
	claim.watch.mu.Lock() // what the loss takes
	go c.loseClaim(claim, &Error{Status: StatusConflict, Reason: ReasonClaimed})
	for range 50 {
		if claim.lostError(frameCommit) != nil && !isClosed(claim.Lost()) {
			t.Error("a write would fail, and Lost is not closed")
			break
		}
		time.Sleep(time.Millisecond)
	}
	claim.watch.mu.Unlock()
	<-claim.Lost()
	if claim.lostError(frameCommit) == nil {
		t.Error("Lost is closed, and a write would not fail")
	}
}

// A release whose context ends while the daemon is away gives the claim up: the client does not present it any more.
func TestAReleaseThatIsNotSentGivesTheClaimUp(t *testing.T) {
	f := startFake(t)
	f.grant.Store(true)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(Started(context.Background()))
	go func() {
		f.watched(1)
		cancel()
	}()
	claim, err := c.Chain("default").Claim(over, ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Release(over); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-claim.Lost()
	if err := claim.Release(nil); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	claims := len(c.claims)
	c.mu.Unlock()
	if claims != 0 || c.Chain("default").claim.Load() != nil {
		t.Fatal(claims)
	}
	close(c.stopping)
	<-c.ended
}
