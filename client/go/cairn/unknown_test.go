package cairn_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// What stands between clients and a daemon changes so many answers.
type spoiler struct {
	commits  atomic.Int64 // say `io error`
	presents atomic.Int64 // say `no space`
	hellos   atomic.Int64 // are of a daemon without claims
	writes   atomic.Int64 // of metadata do not arrive
	stops    atomic.Int64 // of metadata say `shutting down`

	mu    sync.Mutex
	conns []net.Conn // of both sides
	group sync.WaitGroup
}

// cut ends all connections. What the daemon was sent before it carries out before it answers the hello of a later connection, since no
// byte of an earlier one is on its way any more.
func (s *spoiler) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
	s.group.Wait()
}

func between(t *testing.T, d *cairntest.Daemon, spoil *spoiler) (socket string) {
	listener, err := net.Listen("unix", filepath.Join(d.Directory, "between"))
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			spoil.join(client, d.Socket)
		}
	}()
	return listener.Addr().String()
}

// join connects a client to the daemon.
func (s *spoiler) join(client net.Conn, socket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	daemon, err := net.Dial("unix", socket)
	if err != nil {
		client.Close()
		return
	}
	s.conns = append(s.conns, client, daemon)
	s.group.Add(2)
	go func() {
		defer s.group.Done()
		io.Copy(daemon, client)
		daemon.(*net.UnixConn).CloseWrite()
	}()
	go func() {
		defer s.group.Done()
		defer client.Close()
		defer daemon.Close()
		s.answers(client, daemon)
	}()
}

// answers passes the daemon's answers on, until one of both goes.
func (s *spoiler) answers(client io.Writer, daemon io.Reader) {
	header := make([]byte, 32)
	for {
		if _, err := io.ReadFull(daemon, header); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(header[4:]))
		if _, err := io.ReadFull(daemon, body); err != nil {
			return
		}
		switch {
		case header[1] == 0xa1 && s.commits.Add(-1) >= 0:
			header[3] = byte(cairn.StatusIOError)
		case header[1] == 0x89 && s.presents.Add(-1) >= 0:
			header[3] = byte(cairn.StatusNoSpace)
		case header[1] == 0x81 && s.hellos.Add(-1) >= 0:
			body = bytes.Replace(body, []byte{0x10, 0x0f}, []byte{0x10, 0x07}, 1) // the field of the features
		}
		if header[1] == 0xa0 && s.writes.Add(-1) >= 0 {
			continue
		}
		if header[1] == 0xa0 && s.stops.Add(-1) >= 0 {
			header[3] = byte(cairn.StatusShuttingDown)
		}
		client.Write(append(header, body...))
	}
}

// claimBehindSpoiler returns a chain of a daemon that a client has claimed, and what spoils the answers to the client.
func claimBehindSpoiler(t *testing.T, settings ...string) (*cairntest.Daemon, *spoiler, *cairn.Chain) {
	d, spoil := cairntest.Start(t, settings...), new(spoiler)
	c, err := cairn.Open(context.Background(), cairn.Options{Socket: between(t, d, spoil)})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	ch := c.Chain("default")
	_, err = ch.Claim(context.Background(), cairn.ClaimOptions{})
	must(t, err)
	return d, spoil, ch
}

// A write under a claim of which the daemon does not know whether it is applied is found out about.
func TestAnIOErrorIsFoundOutAbout(t *testing.T) {
	ctx := context.Background()
	_, spoil, ch := claimBehindSpoiler(t)
	for i := range uint64(20) {
		spoil.commits.Store(int64(i % 3))
		result, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &i, RiseTo: i + 1})
		must(t, err)
		if result.Repeated != (i%3 != 0) {
			t.Fatal(i, result)
		}
		spoil.commits.Store(0)
	}
	if height, err := ch.Height(ctx); err != nil || height != 20 {
		t.Fatal(height, err)
	}
}

// The epoch cannot be presented: for now, because the chain is dropped, and because the daemon has no claims any more. Reads go on.
func TestAnEpochThatCannotBePresented(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	var spoil spoiler
	c, err := cairn.Open(ctx, cairn.Options{Socket: between(t, d, &spoil)})
	must(t, err)
	defer c.Close()
	_, err = c.CreateChain(ctx, "aux")
	must(t, err)
	aux, err := c.Chain("aux").Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	ch := c.Chain("default")
	claim, err := ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	must(t, ch.Set(ctx, "x", nil))
	must(t, c.Barrier(ctx, cairn.LevelDurable))

	spoil.presents.Store(1 << 40)
	d.Kill()
	d.Restart()
	if _, err := ch.Get(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	spoil.presents.Store(0)
	_, err = ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 1})
	must(t, err)

	other := open(t, d)
	_, err = other.Chain("aux").Claim(ctx, cairn.ClaimOptions{TakeOver: true})
	must(t, err)
	must(t, other.DropChain(ctx, "aux"))
	d.Kill()
	d.Restart()
	lost(t, aux)
	_, err = ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 2})
	must(t, err)

	spoil.hellos.Store(1 << 40)
	d.Kill()
	d.Restart()
	lost(t, claim)
	if _, err := ch.Get(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err = ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 3}); !errors.Is(err, cairn.ErrClaimed) {
		t.Fatal(err)
	}
	if _, err = ch.Claim(ctx, cairn.ClaimOptions{}); !errors.Is(err, cairn.ErrUnsupported) {
		t.Fatal(err)
	}
}

// A claim that is granted while its epoch cannot be presented for now, since there is no space, say, or the daemon stops, is presented
// until it is taken: it is no failure.
func TestAClaimIsPresentedUntilItIsTaken(t *testing.T) {
	d, spoil := cairntest.Start(t), new(spoiler)
	c, err := cairn.Open(context.Background(), cairn.Options{Socket: between(t, d, spoil)})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	spoil.presents.Store(3)
	ch := c.Chain("default")
	claim, err := ch.Claim(context.Background(), cairn.ClaimOptions{})
	must(t, err)
	must(t, ch.Set(context.Background(), "x", nil))
	_, err = ch.Commit(context.Background(), &cairn.CommitRequest{RiseTo: 1})
	must(t, err)
	select {
	case <-claim.Lost():
		t.Fatal("the claim is lost")
	default:
	}
}

// Metadata that the daemon has, and whose answer was lost, is not sent again: it would come behind what was answered since. So it is
// behind a kill, if that is on disk, and where the same run goes on, also if it is in its queue.
func TestMetadataThatWasNotAnsweredDoesNotComeBehindWhatWas(t *testing.T) {
	ctx := context.Background()
	d, spoil, ch := claimBehindSpoiler(t)
	breaks := map[string]func(){
		"kill": func() {
			must(t, ch.Client().Barrier(ctx, cairn.LevelWritten))
			d.Restart()
		},
		"cut": spoil.cut,
		"cut, and kill": func() {
			spoil.cut()
			must(t, ch.Client().Barrier(ctx, cairn.LevelWritten)) // which waits until the client has connected again
			d.Restart()
		},
	}
	for name, breakIt := range breaks {
		for _, level := range []cairn.Level{cairn.LevelAccepted, cairn.LevelWritten, cairn.LevelDurable} {
			spoil.writes.Store(1)
			first := make(chan cairn.WriteResult, 1)
			go func() {
				result, err := ch.Write(ctx, []cairn.Operation{cairn.Set("x", []byte("first")), cairn.Set("y", []byte("first"))}, level)
				if err != nil {
					t.Error(err)
				}
				first <- result
			}()
			for spoil.writes.Load() > 0 {
				time.Sleep(time.Millisecond)
			}
			must(t, ch.Set(ctx, "x", []byte("second")))
			breakIt()
			if result := <-first; !result.Repeated {
				t.Errorf("%s, level %d: %+v", name, level, result)
			}
			for key, want := range map[string]string{"x": "second", "y": "first"} {
				if value, err := ch.Get(ctx, key); err != nil || string(value) != want {
					t.Errorf("%s, level %d: %s is %q, %v", name, level, key, value, err)
				}
			}
			must(t, ch.Set(ctx, "x", nil))
			d.Restart()
			if value, err := ch.Get(ctx, "x"); err != nil || len(value) > 0 {
				t.Errorf("%s, level %d: x is %q, %v after another restart", name, level, value, err)
			}
		}
	}
}

// A write over a connection whose daemon has gone, which the client has not noticed yet, was not sent: it is not unknown, also without a
// claim, and waits for the next daemon.
func TestAWriteToADaemonThatHasGoneIsNotUnknown(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	ch := open(t, d).Chain("default")
	for i := range uint64(8) {
		must(t, ch.Set(ctx, "x", nil))
		_, err := ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 2*i + 1})
		must(t, err)
		d.Kill()
		done := make(chan error)
		go func() {
			if i%2 == 0 {
				done <- ch.Set(ctx, "x", nil)
				return
			}
			_, err := ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 2*i + 2})
			done <- err
		}()
		d.Restart()
		must(t, <-done)
	}
}

// Metadata that is being sent again to a daemon that stops keeps its place: its caller does not send it behind what came later.
func TestMetadataThatIsSentAgainToADaemonThatStopsKeepsItsPlace(t *testing.T) {
	ctx := context.Background()
	d, spoil, ch := claimBehindSpoiler(t, "--flush-delay", "1h")
	spoil.writes.Store(1)
	first := make(chan error, 1)
	go func() { first <- ch.Set(ctx, "x", []byte("first")) }()
	for spoil.writes.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	must(t, ch.Set(ctx, "x", []byte("second")))
	spoil.stops.Store(1)
	d.Restart() // loses both
	must(t, <-first)
	if value, err := ch.Get(ctx, "x"); err != nil || string(value) != "second" {
		t.Errorf("x is %q, %v", value, err)
	}
}
