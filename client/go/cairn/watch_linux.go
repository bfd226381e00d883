package cairn

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
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

// watchReplyLimit bounds the wait for each answer when a watch is opened: far above the time of a sync.
var watchReplyLimit = syscall.Timeval{Sec: 30}

// open connects, presents the epoch, and replaces the connection before. An error leaves that. It uses the calling goroutine alone,
// which may be of a caller's synctest bubble.
func (w *watch) open(socket, name, chain string, epoch Epoch) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cairn: watching the claim: %w", err)
	}
	if err := greetWatch(fd, socket, name, chain, epoch); err != nil {
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

func greetWatch(fd int, socket, name, chain string, epoch Epoch) error {
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &watchReplyLimit); err != nil {
		return err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket}); err != nil {
		return err
	}
	if _, err := askWatch(fd, encodeHello(nil, name, resume{})); err != nil {
		return err
	}
	present := appendTrueIf(encodePresent(nil, chain, epoch, false), 5, true)
	endFrame(present)
	_, err := askWatch(fd, present)
	return err
}

// askWatch sends a request and returns the body of its answer.
func askWatch(fd int, frame []byte) ([]byte, error) {
	for len(frame) > 0 {
		n, err := syscall.Write(fd, frame)
		if err != nil && err != syscall.EINTR {
			return nil, err
		}
		frame = frame[max(n, 0):]
	}
	head, err := readWatch(fd, replyHeaderBytes)
	if err != nil {
		return nil, err
	}
	h, ok := decodeReplyHeader(head)
	if !ok || h.length > helloBytesMax {
		return nil, errors.New("what answers is not a cairnd")
	}
	body, err := readWatch(fd, int(h.length))
	if err == nil && h.status != StatusOK {
		e, _ := decodeError(body)
		e.Op, e.Status = frameNames[h.kind], h.status
		err = &e
	}
	return body, err
}

func readWatch(fd, bytes int) ([]byte, error) {
	b := make([]byte, bytes)
	for got := 0; got < bytes; {
		n, err := syscall.Read(fd, b[got:])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return nil, errors.New("the daemon closed the connection")
		default:
			got += n
		}
	}
	return b, nil
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
