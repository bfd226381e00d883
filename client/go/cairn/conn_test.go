package cairn

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// The context of a write ends while the supervisor sends it again, over another connection: its caller waits for the answer.
func TestAContextThatEndsWhileAWriteIsSentAgain(t *testing.T) {
	client := &Client{}
	for range 100 {
		before, after := &conn{client: client, reading: true}, &conn{client: client, reading: true}
		cl := newCall()
		cl.kind = frameWriteMetadata
		cl.frame = encodeWriteMetadata(cl.frame, "c", []Operation{Set("x", nil)}, LevelDefault)
		before.queue(cl, false)
		before.gather(nil)
		ctx, cancel := context.WithCancel(context.Background())
		w := waitingFor(ctx)
		ended := make(chan error)
		go func() {
			_, err := cl.wait(w, before)
			ended <- err
		}()
		before.kill()
		left := before.unanswered()
		cancel()
		after.queue(left[0], true)
		cl.wake()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// pair returns the ends of a connection.
func pair(t *testing.T) (near, far *net.UnixConn) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialed.Close()
		accepted.Close()
	})
	return dialed.(*net.UnixConn), accepted.(*net.UnixConn)
}

// A stream is ended by its context, and closed, while the daemon stands still within a frame of it.
func TestAStreamEndsWithinAFrame(t *testing.T) {
	for _, bytes := range []int{100, 4 * readBufferBytes} {
		near, far := pair(t)
		in := reader{socket: near, buffer: make([]byte, readBufferBytes), bytes: new(atomic.Uint64)}
		client := &Client{streams: map[*stream]struct{}{}}
		ctx, cancel := context.WithCancel(context.Background())
		s := client.openStream(ctx, frameListMetadata, 0, nil)
		s.opened, s.ready = true, make(chan struct{}, 1)
		client.streams[s] = struct{}{}
		took := make(chan error)
		go func() { took <- s.take(&in, bytes, false) }()
		far.Write(make([]byte, bytes/2))
		for read := uint64(0); read < uint64(bytes/2); read = in.bytes.Load() {
			time.Sleep(time.Millisecond)
			if bytes > readBufferBytes {
				break // it is counted when all is read
			}
		}
		ended := make(chan error)
		go func() {
			_, err := s.next()
			ended <- err
		}()
		cancel()
		select {
		case err := <-ended:
			if err != context.Canceled {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("its context does not end it")
		}
		far.Write(make([]byte, bytes/2))
		if err := <-took; err != nil {
			t.Error(err)
		}
	}
}

// A stream is not idle while its messages are taken one by one, nor between the coming of one and the moment at which who waited takes it.
func TestAStreamThatIsReadIsNotIdle(t *testing.T) {
	near, far := pair(t)
	in := reader{socket: near, buffer: make([]byte, readBufferBytes), bytes: new(atomic.Uint64)}
	client := &Client{streams: map[*stream]struct{}{}}
	s := client.openStream(nil, frameListMetadata, 0, nil)
	s.opened, s.ready = true, make(chan struct{}, 1)
	client.streams[s] = struct{}{}
	ticks := func() {
		for range idleTicksMin {
			client.streamWaiters.add(newCall())
			client.crowded()
		}
	}
	idle := func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return client.idleStream() == s
	}
	send := func() {
		far.Write(make([]byte, 4))
		if err := s.take(&in, 4, false); err != nil {
			t.Fatal(err)
		}
	}
	send()
	send()
	s.next()
	ticks()
	if !idle() {
		t.Error("it is not idle, though nobody reads of it")
	}
	s.next()
	if idle() {
		t.Error("it is idle right after a message was taken")
	}
	took := make(chan error)
	go func() {
		_, err := s.next()
		took <- err
	}()
	for !s.isRead() {
		time.Sleep(time.Millisecond)
	}
	ticks()
	send()
	if idle() {
		t.Error("it is idle once a message came that somebody waited for")
	}
	if err := <-took; err != nil || idle() {
		t.Error("it is idle right after a message was taken that somebody waited for", err)
	}
}
