package cairn

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// A watch is a connection on which a claim's epoch was presented, and nothing else is sent. The daemon closes it when the epoch is
// replaced, released or dropped, before it answers who did that. So one system call tells whether anybody else may have written to
// the chain yet, as of that call, and there is no goroutine that would have to notice.
//
// It is opened again after each lost session, since its daemon is gone with that.
type watch struct {
	mu      sync.RWMutex
	isOpen  bool
	isEnded bool // it is not opened again
	fd      int  // if it is open
}

const (
	watchTick     = 100 * time.Millisecond // how often who waits for an answer looks whether it is to give up
	watchTicksMax = 300                    // the waits for all answers together: far above the time of a sync
)

var errWatchLate = errors.New("the daemon does not answer in time")

// open connects, presents the epoch, and replaces the connection before. An error leaves that. It uses the calling goroutine alone,
// which may be of a caller's synctest bubble, where no clock goes on during a system call. givesUp tells it to wait no longer.
func (w *watch) open(socket, name, chain string, epoch Epoch, givesUp func() bool) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cairn: watching the claim: %w", err)
	}
	opening := watchOpening{fd: fd, givesUp: givesUp}
	if err := opening.greet(socket, name, chain, epoch); err != nil {
		syscall.Close(fd)
		return fmt.Errorf("cairn: watching the claim: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close()
	if w.isEnded {
		syscall.Close(fd)
		return nil
	}
	w.fd, w.isOpen = fd, true
	return nil
}

// watchOpening is a watch's connection while it is opened.
type watchOpening struct {
	fd      int
	givesUp func() bool
	ticks   int
}

func (o *watchOpening) greet(socket, name, chain string, epoch Epoch) error {
	tick := syscall.NsecToTimeval(watchTick.Nanoseconds())
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} { // the latter bounds the wait to be connected, too
		if err := syscall.SetsockoptTimeval(o.fd, syscall.SOL_SOCKET, option, &tick); err != nil {
			return err
		}
	}
	address := &syscall.SockaddrUnix{Name: socket}
	for err := syscall.Connect(o.fd, address); err != nil; err = syscall.Connect(o.fd, address) {
		if err := o.waits(err); err != nil {
			return err
		}
	}
	if _, err := o.ask(encodeHello(nil, name, resume{})); err != nil {
		return err
	}
	present := appendTrueIf(encodePresent(nil, chain, epoch, false), 5, true)
	endFrame(present)
	_, err := o.ask(present)
	return err
}

// ask sends a request and returns the body of its answer.
func (o *watchOpening) ask(frame []byte) ([]byte, error) {
	for len(frame) > 0 {
		n, err := syscall.Write(o.fd, frame)
		if err := o.waits(err); err != nil {
			return nil, err
		}
		frame = frame[max(n, 0):]
	}
	head, err := o.read(replyHeaderBytes)
	if err != nil {
		return nil, err
	}
	h, ok := decodeReplyHeader(head)
	if !ok || h.length > helloBytesMax {
		return nil, errors.New("what answers is not a cairnd")
	}
	body, err := o.read(h.length)
	if err == nil && h.status != StatusOK {
		e, _ := decodeError(body)
		e.Op, e.Status = frameNames[h.kind], h.status
		err = &e
	}
	return body, err
}

func (o *watchOpening) read(bytes int) ([]byte, error) {
	b := make([]byte, bytes)
	for got := 0; got < bytes; {
		n, err := syscall.Read(o.fd, b[got:])
		if err := o.waits(err); err != nil {
			return nil, err
		}
		if err == nil && n == 0 {
			return nil, errors.New("the daemon closed the connection")
		}
		got += max(n, 0)
	}
	return b, nil
}

// waits gives back the error of a system call that is not to be made again; nil: it is, or there was none.
func (o *watchOpening) waits(err error) error {
	if err == nil || err == syscall.EINTR {
		return nil
	}
	if err != syscall.EAGAIN {
		return err
	}
	if o.ticks++; o.ticks > watchTicksMax || o.givesUp() {
		return errWatchLate
	}
	return nil
}

// end closes the watch for good. It may have ended already.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close()
	w.isEnded = true
}

func (w *watch) close() {
	if w.isOpen {
		syscall.Close(w.fd)
		w.isOpen = false
	}
}

// pollfd is the kernel's.
type pollfd struct {
	fd      int32
	events  int16
	revents int16
}

const (
	pollReadHangUp  = 0x2000
	kernelSigsetLen = 8
)

// holds says whether the connection is open at both ends, now. It never waits.
func (w *watch) holds() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.isOpen {
		return false
	}
	look := pollfd{fd: int32(w.fd), events: pollReadHangUp}
	var now syscall.Timespec
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&look)), 1, uintptr(unsafe.Pointer(&now)), 0, kernelSigsetLen, 0)
	return errno == 0 && n == 0
}
