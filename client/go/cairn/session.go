package cairn

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A session is one set of connections to one run of the daemon. It is made whole and lost whole.
type session struct {
	client *Client
	conns  [connKinds]*conn
	hello  helloReply
	lost   chan struct{} // closed when it is lost: nothing is sent any more
	over   chan struct{} // closed when its sockets are closed
	isLost atomic.Bool
	reason error // why it was lost; set before lost is closed
}

type connKind int

// A metadata write that waits for room stops the daemon from reading what is behind it on its connection, and so does a
// commit that waits for memory: each kind has its own.
const (
	reads connKind = iota
	metadata
	commits
	connKinds
)

const (
	dialPauseMin  = 2 * time.Millisecond
	dialPauseMax  = 200 * time.Millisecond
	helloLimit    = 30 * time.Second // for what the daemon waits for before it answers: the end of an earlier connection's writes
	windDownLimit = 30 * time.Second // for the answers of a daemon that is there still, such as one that stops
	resendPause   = 100 * time.Millisecond
	helloBytesMax = 64 << 10
)

// errRefused wraps what will not get better by trying again soon.
type errRefused struct{ error }

// dialUntil connects, again and again until it is told to stop. first: what the daemon refuses ends it, too.
func (c *Client) dialUntil(stop <-chan struct{}, r resume, first bool) (*session, error) {
	pause := dialPauseMin
	told := false
	for {
		s, err := c.dial(stop, r)
		if err == nil {
			c.dialFailed.Store(nil)
			return s, nil
		}
		c.dialFailed.Store(&err)
		var refused errRefused
		if first && errors.As(err, &refused) {
			return nil, refused.error
		}
		if !first && !told && errors.As(err, &refused) {
			told = true
			c.log.Warn("cairn: the daemon refuses the connection", "socket", c.options.Socket, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return nil, err
		}
		pause = min(2*pause, dialPauseMax)
	}
}

// dial makes a session. Its goroutines are not started.
func (c *Client) dial(stop <-chan struct{}, r resume) (_ *session, err error) {
	s := &session{client: c, lost: make(chan struct{}), over: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), helloLimit)
	defer cancel()
	ended := make(chan struct{})
	var guard sync.WaitGroup
	guard.Add(1)
	go func() {
		defer guard.Done()
		select {
		case <-stop:
			cancel()
		case <-ended:
		}
	}()
	defer guard.Wait()
	defer close(ended)
	defer func() {
		if err != nil {
			s.closeSockets()
		}
	}()
	for kind := range s.conns {
		var dialer net.Dialer
		socket, err := dialer.DialContext(ctx, "unix", c.options.Socket)
		if err != nil {
			return nil, err
		}
		s.conns[kind], err = newConn(c, s, socket.(*net.UnixConn))
		if err != nil {
			socket.Close()
			return nil, err
		}
		hello, err := c.greet(ctx, s.conns[kind].socket, r)
		if err != nil {
			return nil, err
		}
		if kind > 0 && (hello.run != s.hello.run || hello.random != s.hello.random || hello.storeID != s.hello.storeID) {
			return nil, errors.New("the daemon was restarted meanwhile")
		}
		s.hello = hello
	}
	return s, nil
}

// greet sends a hello and reads its answer.
func (c *Client) greet(ctx context.Context, socket *net.UnixConn, r resume) (helloReply, error) {
	unwatch := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) })
	defer unwatch()
	n, err := socket.Write(encodeHello(nil, c.options.Name, r))
	c.bytesSent.Add(uint64(n))
	if err != nil {
		return helloReply{}, err
	}
	in := reader{socket: socket, buffer: make([]byte, replyHeaderBytes), bytes: &c.bytesRead}
	head, err := in.peek(replyHeaderBytes)
	if err != nil {
		return helloReply{}, err
	}
	h, ok := decodeReplyHeader(head)
	if !ok || h.kind != frameHello || h.length > helloBytesMax {
		return helloReply{}, errRefused{errors.New("what answers is not a cairnd")}
	}
	in.skip(replyHeaderBytes)
	body := make([]byte, h.length)
	if err := in.read(body); err != nil {
		return helloReply{}, err
	}
	if h.status != StatusOK {
		e, _ := decodeError(body)
		e.Op, e.Status = "hello", h.status
		if h.status == StatusBusy || h.status == StatusShuttingDown {
			return helloReply{}, &e
		}
		return helloReply{}, errRefused{&e}
	}
	hello, ok := decodeHello(body)
	if !ok {
		return helloReply{}, errRefused{errors.New("the daemon's hello does not decode")}
	}
	return hello, nil
}

func (s *session) closeSockets() {
	for _, conn := range s.conns {
		if conn != nil {
			conn.socket.Close()
		}
	}
}

// lose ends a session: nothing is sent over it from here on. The supervisor does the rest. Any goroutine may call it, any
// number of times, without locks.
func (c *Client) lose(s *session, reason error) {
	if !s.isLost.CompareAndSwap(false, true) {
		return
	}
	for _, conn := range s.conns {
		conn.kill()
	}
	c.mu.Lock()
	c.readSession.CompareAndSwap(s, nil)
	c.writeSession.CompareAndSwap(s, nil)
	if c.settled.Load()%2 == 0 {
		c.settled.Add(1)
	}
	c.mu.Unlock()
	s.reason = reason
	close(s.lost)
}

// windDown ends the connections of a lost session, after what the daemon still answers, and returns the calls that it did
// not answer.
func (s *session) windDown() []*call {
	for _, conn := range s.conns {
		conn.mu.Lock()
		conn.awaitCallers() // else what they have taken to send is unknown
		conn.mu.Unlock()
		conn.socket.CloseWrite()
	}
	limit := time.NewTimer(windDownLimit)
	defer limit.Stop()
	for _, conn := range s.conns {
		select {
		case <-conn.read:
			continue
		case <-limit.C:
		case <-s.client.hung:
		}
		s.closeSockets()
		<-conn.read
		limit.Reset(0)
	}
	s.closeSockets()
	close(s.over)
	var calls []*call
	for _, conn := range s.conns {
		<-conn.read
		<-conn.written
		calls = append(calls, conn.unanswered()...)
	}
	return calls
}

// changed tells whether a session is of another store than the one before it, or of a copy.
func (s *session) changed(before *helloReply) bool {
	h := &s.hello
	return h.storeChanged || h.storeID != before.storeID || h.run < before.run ||
		(h.run == before.run && h.random != before.random)
}
