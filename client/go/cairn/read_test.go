package cairn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeDaemon answers each read of a name with `not found`, in parts of a byte if told to, and holds the answers back while it is held.
type fakeDaemon struct {
	net.Listener
	hold  sync.RWMutex
	bytes bool        // the answers come in single bytes
	mute  atomic.Bool // nothing but hellos is answered
	stays atomic.Bool // connections stay open whose clients have ended them
	later atomic.Bool // hellos are of the next run
	grant atomic.Bool // claims are granted, and epochs taken but for those of a watch, which get no answer

	watches atomic.Int64 // that were asked for

	mu    sync.Mutex
	conns []net.Conn
}

func startFake(t *testing.T) *fakeDaemon {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeDaemon{Listener: listener}
	t.Cleanup(func() { listener.Close() })
	hello := append(golden(t)["hello_reply"], 0x10, 0x0f) // the field of the features
	hello[4] += 2
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			go f.serve(conn, hello)
		}
	}()
	return f
}

func (f *fakeDaemon) serve(conn net.Conn, hello []byte) {
	defer conn.Close()
	in := reader{socket: conn.(*net.UnixConn), buffer: make([]byte, 4096), bytes: new(atomic.Uint64)}
	for first := true; ; first = false {
		head, err := in.peek(requestHeaderBytes)
		if err != nil {
			for f.stays.Load() {
				time.Sleep(time.Millisecond)
			}
			return
		}
		request := append([]byte(nil), head...)
		in.skip(requestHeaderBytes)
		body := make([]byte, binary.LittleEndian.Uint32(request[4:]))
		if in.read(body) != nil {
			return
		}
		kind := frameType(request[1])
		granted := f.grant.Load() && (kind == frameClaim || kind == framePresent)
		if granted && bytes.HasSuffix(body, []byte{0x28, 1}) { // its last field says that it is a watch
			f.watches.Add(1)
			continue
		}
		if !first && !granted && f.mute.Load() {
			continue
		}
		answer := hello
		if first && f.later.Load() {
			answer = append(bytes.Clone(hello), 0x28, 8) // the field of the run
			answer[4] += 2
		}
		if !first {
			answer = make([]byte, replyHeaderBytes)
			answer[0], answer[1], answer[3] = request[0], request[1]|replyBit, byte(StatusNotFound)
			copy(answer[8:16], request[8:16])
		}
		if granted {
			answer[3] = byte(StatusOK)
		}
		if granted && kind == frameClaim {
			epoch := appendFixed64(appendUint(nil, 1, 7), 2, 7)
			answer = append(appendLength(answer, 3, len(epoch)), epoch...)
			answer[4] = byte(len(answer) - replyHeaderBytes)
		}
		f.hold.RLock()
		if f.bytes && !first {
			for i := range answer[1:] {
				conn.Write(answer[i : i+1])
			}
			answer = answer[len(answer)-1:]
		}
		conn.Write(answer)
		f.hold.RUnlock()
	}
}

// lonely calls until a caller has read its own answer.
func lonely(t *testing.T, c *Client) *conn {
	t.Helper()
	for {
		if _, err := c.Chain("default").Get(nil, "x"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		conn := c.readSession.Load().conns[reads]
		conn.mu.Lock()
		led := conn.leads > 0
		conn.mu.Unlock()
		if led {
			return conn
		}
	}
}

func init() {
	closeLimit = time.Minute // a slow machine is no reason for Close to fail in a test
}

// soon is a context whose deadline is near, and that ends no sooner than its parent: a call never finds it over.
type soon struct{ context.Context }

func (soon) Deadline() (time.Time, bool) { return time.Now().Add(restPause), true }

// untilInFlight returns when so many calls are under way.
func (c *conn) untilInFlight(count int) {
	for reached := false; !reached; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		reached = c.inFlight == count
		c.mu.Unlock()
	}
}

// A caller reads its own answer; when its context ends first, the call ends nevertheless, and what comes later is read.
func TestACallerThatReadsLooksAfterItsContext(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ch := c.Chain("default")
	for range 20 {
		conn := lonely(t, c)
		f.hold.Lock()
		ctx, cancel := context.WithCancel(context.Background())
		go func() { // not before the call has come, which would not look at it then
			conn.untilInFlight(1)
			cancel()
		}()
		if _, err := ch.Get(ctx, "x"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.hold.Unlock()
		conn.untilInFlight(0)
	}
	close(c.stopping)
	f.closeAll()
	<-c.ended
}

// A caller whose context ends soon leaves the reading to the reader goroutine, and ends with its context.
func TestACallerWithoutTimeDoesNotRead(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	conn := lonely(t, c)
	conn.mu.Lock()
	led := conn.leads
	conn.mu.Unlock()
	for range 5 {
		f.hold.Lock()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			conn.untilInFlight(1)
			cancel()
		}()
		if _, err := c.Chain("default").Get(soon{ctx}, "x"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.hold.Unlock()
		conn.untilInFlight(0)
	}
	conn.mu.Lock()
	if conn.leads != led {
		t.Errorf("%d callers read whose contexts were about to end", conn.leads-led)
	}
	conn.mu.Unlock()
	close(c.stopping)
	f.closeAll()
	<-c.ended
}

// The answer of a call whose caller does not read is read by the reader goroutine, which rested, at once.
func TestTheReaderReadsForWhoDoesNot(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	get := func(ctx context.Context, ch *Chain) error {
		_, err := ch.Get(soon{ctx}, "x")
		return err
	}
	stream := func(ctx context.Context, ch *Chain) error {
		for _, err := range ch.Blocks(ctx, 1, 2, PartHeader) {
			return err
		}
		return nil
	}
	for _, call := range []func(context.Context, *Chain) error{get, stream, get, stream} {
		conn := lonely(t, c)
		f.hold.Lock()
		conn.mu.Lock()
		for conn.reading {
			conn.mu.Unlock()
			f.hold.Unlock()
			conn = lonely(t, c)
			f.hold.Lock()
			conn.mu.Lock()
		}
		conn.mu.Unlock()
		ended := make(chan error)
		go func() { ended <- call(context.Background(), c.Chain("default")) }()
		for {
			conn.mu.Lock()
			isSent, isRead := conn.inFlight > 0, conn.reading
			conn.mu.Unlock()
			if isSent {
				if !isRead {
					t.Error("nobody reads the answer")
				}
				break
			}
			time.Sleep(time.Millisecond)
		}
		f.hold.Unlock()
		if err := <-ended; err == nil {
			t.Error("the fake answered something else than `not found`")
		}
	}
	close(c.stopping)
	f.closeAll()
	<-c.ended
}

// One who reads, and others who come meanwhile: all are answered, however the answers are cut.
func TestCallersHandTheReadSideOn(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	lonely(t, c)
	f.hold.Lock()
	f.bytes = true
	f.hold.Unlock()
	for goroutines := range 5 {
		var group sync.WaitGroup
		for range goroutines {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 300 {
					if _, err := c.Chain("default").Get(nil, "x"); !errors.Is(err, ErrNotFound) {
						t.Error(err)
						return
					}
				}
			}()
		}
		group.Wait()
	}
	close(c.stopping)
	f.closeAll()
	<-c.ended
}

// The end of a connection is noticed without a call, after callers have read, and by one that reads.
func TestTheEndOfAConnectionIsNoticedThatCallersRead(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	for reconnects := range uint64(10) {
		lonely(t, c)
		if reconnects%2 == 0 {
			f.hold.Lock()
			go func() {
				time.Sleep(time.Millisecond)
				f.closeAll()
				f.hold.Unlock()
			}()
			if _, err := c.Chain("default").Get(nil, "x"); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		} else {
			f.closeAll()
		}
		for c.Stats().Reconnects <= reconnects {
			time.Sleep(time.Millisecond)
		}
	}
	close(c.stopping)
	f.closeAll()
	<-c.ended
}

// A client ends while it waits for the answer to an epoch that it presents.
func TestAClientEndsWhileItPresentsAnEpoch(t *testing.T) {
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	claim := newClaim()
	claim.chain = c.Chain("default")
	c.mu.Lock()
	c.claims = append(c.claims, claim)
	c.mu.Unlock()
	f.mute.Store(true)
	f.closeAll()
	for c.Stats().Reconnects == 0 {
		time.Sleep(time.Millisecond)
	}
	close(c.stopping)
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	<-claim.lost
}

// A client ends beside a daemon that stands still, before it answers the barrier of Close, or behind that, and also when the limit of
// Close is over before the barrier is sent.
func TestCloseBesideADaemonThatStandsStill(t *testing.T) {
	limit := closeLimit
	defer func() { closeLimit = limit }()
	for _, way := range []struct {
		mute  bool
		limit time.Duration
	}{{true, time.Second}, {false, time.Second}, {true, 0}, {true, 0}, {true, 0}, {true, 0}, {true, 0}} {
		closeLimit = way.limit
		f := startFake(t)
		c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		lonely(t, c)
		f.mute.Store(way.mute)
		f.stays.Store(true)
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		select {
		case err := <-closed:
			if way.mute && !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
		case <-time.After(windDownLimit / 2):
			t.Fatalf("%+v: it does not end", way)
		}
		f.stays.Store(false)
	}
}

// Stats and Close say how many accepted writes may not be written, also of those that were lost with a run and that the next has not taken.
func TestWhatIsBeingSentAgainIsCounted(t *testing.T) {
	limit := closeLimit
	defer func() { closeLimit = limit }()
	closeLimit = 100 * time.Millisecond
	f := startFake(t)
	c, err := Open(context.Background(), Options{Socket: f.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	for number := range uint64(3) {
		frame := encodeEmpty(nil, frameWriteMetadata)
		c.keep.add(1<<40+number, c.stamps.Add(1), frame)
	}
	f.mute.Store(true)
	f.later.Store(true)
	f.closeAll()
	for c.Stats().Resent < 3 {
		time.Sleep(time.Millisecond)
	}
	if s := c.Stats(); s.KeptWrites != 3 || s.KeptBytes < 3*requestHeaderBytes {
		t.Errorf("%+v", s)
	}
	if err := c.Close(); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "had accepted 3 may") {
		t.Error(err)
	}
}

// watched returns when so many watches were asked for.
func (f *fakeDaemon) watched(count int64) {
	for f.watches.Load() < count {
		time.Sleep(time.Millisecond)
	}
}

func (f *fakeDaemon) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.conns = nil
}
