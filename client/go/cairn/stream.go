package cairn

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// streamWindowBytes is what the daemon may send of a stream that nobody has taken yet. Half of it is given back at a time: a credit
// for each message costs more than the messages.
const streamWindowBytes = 1 << 20

// The daemon takes 128 streams of a connection. When so many are open, one more waits until another ends. One that nobody has read of
// for a while may have been forgotten, and the daemon would end it, too, some time later: it is ended for the new one.
const streamsMax = 100

const (
	crowdedTick  = 100 * time.Millisecond // how often those that wait look again
	idleTicksMin = 20                     // for so long nobody read of a stream that is ended
	clockTick    = 1 << 40                // what a tick adds to Client.streamClock; the bits below it count openings and reads of streams
)

// A stream is the answer to a request that has many messages.
//
//   - It is opened by the first call of next.
//   - The connection's reader appends each frame to a buffer; next takes the buffer whole, decodes from it, and gives the
//     window back by halves.
//   - close ends it early: the daemon is told, and what still comes is dropped. The call of a stream that was closed is not
//     used again, for another goroutine may wait on it.
//   - When the connection is lost, it is opened again if nothing was taken of it, for it is of one instant.
type stream struct {
	client   *Client
	w        waiting
	kind     frameType
	features uint64
	encode   func(b []byte) []byte

	// Of the one who calls next
	opened  bool
	taken   []byte // frames, each with a head of 4 bytes: its length, and whether its message goes on
	rest    []byte // of taken
	partial []byte // the parts of a message that is cut
	credit  uint64
	any     bool // a message was given
	err     error
	atEnd   bool

	mu      sync.Mutex
	call    *call         // nil: not sent, or at its end
	ready   chan struct{} // the call's
	buffer  []byte
	waiting bool // for the buffer; until who waits has looked, not only until it is woken
	last    bool // the last frame has come
	lost    bool // the connection has
	closed  bool
	evicted bool // closed, for another one

	touched atomic.Uint64 // by Client.streamClock: when somebody took a message of it last
}

const continuedBit = 1 << 31

func (c *Client) openStream(ctx context.Context, kind frameType, features uint64, encode func(b []byte) []byte) *stream {
	return &stream{client: c, w: waitingFor(ctx), kind: kind, features: features, encode: encode}
}

// open sends the request.
func (s *stream) open() error {
	c := s.client
	c.requests.Add(1)
	cl := c.newCall(s.kind)
	cl.isRead, cl.features = true, s.features
	cl.frame = s.encode(cl.frame)
	for {
		session, err := c.sessionFor(s.w, cl, false)
		if err == nil {
			err = c.fits(session, cl)
		}
		if err != nil {
			cl.recycle()
			return err
		}
		if err := c.streamOpens(s, cl); err != nil {
			cl.recycle()
			return err
		}
		cl.stream = s
		s.mu.Lock()
		s.ready = cl.ready
		s.lost, s.last = false, false
		s.mu.Unlock()
		if !session.conns[reads].send(cl) {
			cl.stream = nil
			c.streamEnds(s)
			continue
		}
		s.opened = true
		s.mu.Lock()
		s.call = cl
		closed := s.closed
		s.mu.Unlock()
		if closed {
			cl.conn.cancel(cl)
		}
		return nil
	}
}

// streamOpens counts a stream, and waits for room to do so; cl is its call.
func (c *Client) streamOpens(s *stream, cl *call) error {
	c.mu.Lock()
	for len(c.streams) >= streamsMax && c.final == nil {
		if idle := c.idleStream(); idle != nil {
			delete(c.streams, idle)
			c.mu.Unlock()
			idle.shut(true)
			c.mu.Lock()
			continue
		}
		c.streamWaiters.add(cl)
		c.mu.Unlock()
		select {
		case c.crowd <- struct{}{}:
		default:
		}
		if err := c.streamWaiters.wait(&c.mu, s.w, cl); err != nil {
			return err
		}
		c.mu.Lock()
	}
	c.streams[s] = struct{}{}
	c.streamClock.Add(1)
	s.touch()
	c.mu.Unlock()
	return nil
}

// idleStream returns the stream that nobody has read of for the longest, if that is long enough. Under the lock.
func (c *Client) idleStream() *stream {
	var idle *stream
	for s := range c.streams {
		if (idle == nil || s.touched.Load() < idle.touched.Load()) && !s.isRead() {
			idle = s
		}
	}
	if idle == nil {
		return nil
	}
	touched := idle.touched.Load() // before the clock, which may go on meanwhile
	if c.streamClock.Load()-touched < idleTicksMin*clockTick {
		return nil
	}
	return idle
}

// crowded lets those that wait for room for a stream look again, and gives them the time. False: none waits. The goroutine that makes
// calls calls it.
func (c *Client) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streamWaiters) == 0 {
		return false
	}
	c.streamClock.Add(clockTick)
	c.streamWaiters.wake()
	return true
}

// touch notes that somebody reads the stream.
func (s *stream) touch() {
	if now := s.client.streamClock.Load(); s.touched.Load() != now {
		s.touched.Store(now)
	}
}

func (c *Client) streamEnds(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s)
	c.streamWaiters.wakeFirst()
}

// next gives the next message, which is good until the next call; nil at the end.
func (s *stream) next() ([]byte, error) {
	for {
		if s.atEnd {
			return nil, s.err
		}
		if len(s.rest) > 0 {
			s.touch()
			if message, whole := s.split(); whole {
				s.any = true
				return message, nil
			}
			continue
		}
		if !s.opened {
			if err := s.open(); err != nil {
				s.end(err)
				continue
			}
		}
		s.fetch()
	}
}

// split takes a frame off rest. whole: a message is complete with it.
func (s *stream) split() (message []byte, whole bool) {
	head := binary.LittleEndian.Uint32(s.rest)
	end := 4 + int(head&^continuedBit)
	body := s.rest[4:end]
	s.rest = s.rest[end:]
	s.credit += uint64(len(body))
	if s.credit >= streamWindowBytes/2 {
		s.giveCredit()
	}
	if head&continuedBit != 0 {
		s.partial = append(s.partial, body...)
		return nil, false
	}
	if len(s.partial) == 0 {
		return body, true
	}
	message = append(s.partial, body...)
	s.partial = nil
	return message, true
}

func (s *stream) giveCredit() {
	bytes := s.credit
	s.credit = 0
	s.mu.Lock()
	cl := s.call
	if cl == nil || s.last || s.lost {
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	id := cl.id
	cl.conn.sendControl(func(b []byte) []byte { return encodeCredit(b, id, bytes) })
}

// fetch takes the buffer, and waits for it if it is empty.
func (s *stream) fetch() {
	if s.w.done != nil && s.w.ctx.Err() != nil {
		s.end(s.w.ctx.Err())
		s.close()
		return
	}
	s.mu.Lock()
	for len(s.buffer) == 0 {
		switch {
		case s.evicted:
			s.mu.Unlock()
			s.end(&Error{Op: frameNames[s.kind], Status: StatusBusy,
				Text: fmt.Sprintf("nobody read of this stream for long, and %d others are open; ask again, and close what is not read", streamsMax)})
			return
		case s.closed:
			s.mu.Unlock()
			s.end(nil)
			return
		case s.last:
			cl := s.call
			s.call = nil
			s.mu.Unlock()
			s.finished(cl)
			return
		case s.lost:
			cl := s.call
			s.call = nil
			s.mu.Unlock()
			cl.stream = nil
			cl.recycle()
			s.opened = false
			if s.any || len(s.partial) > 0 {
				s.end(&Error{Op: frameNames[s.kind], Status: StatusBusy,
					Text: "the connection was lost within the stream, which is of one instant; ask again"})
			}
			return
		}
		s.waiting = true
		s.mu.Unlock()
		if s.w.done == nil {
			<-s.ready
		} else {
			select {
			case <-s.ready:
			case <-s.w.done:
				s.end(s.w.ctx.Err())
				s.close()
				return
			}
		}
		s.mu.Lock()
		s.touch() // first, or it would be idle for a moment
		s.waiting = false
	}
	s.client.streamClock.Add(1)
	s.touch()
	s.taken, s.buffer = s.buffer, s.taken[:0]
	s.mu.Unlock()
	s.rest = s.taken
}

// finished ends the stream as its last frame says.
func (s *stream) finished(cl *call) {
	var err error
	if cl.outcome == outcomeAgain { // the daemon stops
		s.opened = false
		cl.stream = nil
		cl.recycle()
		if s.any || len(s.partial) > 0 {
			s.end(&Error{Op: frameNames[s.kind], Status: StatusBusy, Text: "the daemon stops; ask again"})
		}
		return
	}
	if cl.status != StatusOK {
		err = cl.error()
	} else if len(s.partial) > 0 {
		err = &Error{Op: frameNames[s.kind], Status: StatusIOError, Text: "the stream ends within a message"}
	}
	cl.stream = nil
	cl.recycle()
	s.end(err)
}

func (s *stream) end(err error) {
	if !s.atEnd {
		s.atEnd, s.err = true, err
		s.taken, s.rest, s.partial = nil, nil, nil
	}
}

// malformed ends the stream with the error of a message that does not decode.
func (s *stream) malformed() error {
	err := &Error{Op: frameNames[s.kind], Status: StatusIOError, Text: "the daemon's reply does not decode"}
	s.end(err)
	s.close()
	return err
}

// isRead tells whether somebody waits for more of the stream.
func (s *stream) isRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// close ends the stream early. Any goroutine may call it, any number of times.
func (s *stream) close() { s.shut(false) }

// shut is close; evicted: for another stream.
func (s *stream) shut(evicted bool) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed, s.evicted = true, evicted
	s.buffer = nil
	s.wake()
	cl := s.call
	ended := s.last || s.lost
	s.mu.Unlock()
	if cl != nil && !ended {
		cl.conn.cancel(cl)
	}
}

// wake wakes next if it waits. Under the lock.
func (s *stream) wake() {
	if !s.waiting {
		return
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take appends a frame, or drops it if the stream is closed. The reader calls it. It does not hold the lock while it reads: a daemon that
// stands still within a frame keeps nobody from ending the stream.
func (s *stream) take(in *reader, n int, continued bool) error {
	var body []byte
	if n > len(in.buffer) {
		body = make([]byte, n)
		if err := in.read(body); err != nil {
			return err
		}
	} else {
		part, err := in.peek(n)
		if err != nil {
			return err
		}
		body = part
		defer in.skip(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	head := uint32(n)
	if continued {
		head |= continuedBit
	}
	s.buffer = binary.LittleEndian.AppendUint32(s.buffer, head)
	s.buffer = append(s.buffer, body...)
	s.wake()
	return nil
}

// finish takes the last frame. The reader calls it.
func (s *stream) finish() {
	s.client.streamEnds(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = true
	s.wake()
}

// lose tells of the loss of the connection. The supervisor calls it.
func (s *stream) lose() {
	s.client.streamEnds(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	s.wake()
}

// MetadataCursor is a list that is being read. It starts no goroutine. One that is forgotten ends when it is collected.
type MetadataCursor struct {
	parts  MetadataParts
	stream *stream
}

// OpenList is List for a caller that asks for one name after the other.
func (ch *Chain) OpenList(ctx context.Context, request ListRequest) *MetadataCursor {
	c := ch.openList(ctx, request)
	runtime.AddCleanup(c, (*stream).close, c.stream)
	return c
}

// Next gives the next name. It is false at the end of the list, and after an error, a Close, or the end of the context.
func (c *MetadataCursor) Next() (Metadata, bool) {
	message, err := c.stream.next()
	if message == nil || err != nil {
		return Metadata{}, false
	}
	reply, ok := decodeMetadata(message)
	if !ok {
		c.stream.malformed()
		return Metadata{}, false
	}
	m := Metadata{Name: string(reply.name), OfHeight: reply.ofHeight, Size: reply.size, Absent: reply.absent}
	if c.parts&MetadataValue != 0 && !reply.absent {
		m.Value = append(make([]byte, 0, len(reply.value)), reply.value...)
	}
	runtime.KeepAlive(c)
	return m, true
}

// Err returns why Next was false; nil at the end of the list and after Close.
func (c *MetadataCursor) Err() error { return c.stream.err }

// Close ends the list. It may be called several times, and while another goroutine is in Next.
func (c *MetadataCursor) Close() { c.stream.close() }

// each gives all names to an iterator's loop.
func (c *MetadataCursor) each(yield func(Metadata, error) bool) {
	defer c.Close()
	for {
		m, ok := c.Next()
		if !ok {
			if err := c.Err(); err != nil {
				yield(Metadata{}, err)
			}
			return
		}
		if !yield(m, nil) {
			return
		}
	}
}
