// Package cairntest runs a real cairnd for the tests of packages that use cairn.
//
// The environment variable CAIRND names the program; without it, it is the one that the tree's Makefile builds
// (build/plain/cairnd). A test that finds none fails.
package cairntest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long anything may take before a test is said to hang: far above what a loaded machine needs.
const hangsAfter = 2 * time.Minute

// Daemon is a cairnd on a directory of its own. It ends with the test.
type Daemon struct {
	// Directory holds the data directory ("data"), the socket and the log ("log"). It is removed with the test.
	Directory string
	// Socket is the path of the socket.
	Socket string

	tb        testing.TB
	arguments []string
	mu        sync.Mutex
	process   *process // nil while it does not run
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // why; set before done is closed
}

// Program returns the path of cairnd.
func Program(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("CAIRND")
	if path == "" {
		_, file, _, _ := runtime.Caller(0)
		path = filepath.Join(filepath.Dir(file), "../../../../build/plain/cairnd")
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("no cairnd: build it, or set CAIRND to its path: %v", err)
	}
	return path
}

// patient are the settings that every daemon has unless a test gives it others: a client that is slow because the machine is loses no
// connection, and what the daemon waits for may take long.
var patient = []string{"--frame-timeout", "10min", "--stream-timeout", "10min", "--stall-timeout", "10min"}

// Start makes a store in a temporary directory and runs cairnd on it, with the settings given (such as "--frame-bytes-max",
// "256MiB"), and with time limits far above its defaults. It returns when the daemon listens.
func Start(tb testing.TB, settings ...string) *Daemon {
	tb.Helper()
	// Not tb.TempDir: a socket's path has at most 107 bytes.
	directory, err := os.MkdirTemp("", "cairn-")
	if err != nil {
		tb.Fatal(err)
	}
	d := &Daemon{Directory: directory, Socket: filepath.Join(directory, "socket"), tb: tb, arguments: settings}
	tb.Cleanup(func() {
		d.Kill()
		if tb.Failed() {
			tb.Logf("the end of cairnd's log:\n%s", d.logTail())
		}
		os.RemoveAll(directory)
	})
	if err := d.restart(nil); err != nil {
		tb.Fatalf("cairnd does not start: %v\n%s", err, d.logTail())
	}
	return d
}

// Restart ends the daemon with SIGKILL if it runs, and starts it again on its directory. It returns when the daemon listens.
// It may be called from any goroutine of the test; a daemon that does not come up is reported as an error, once.
func (d *Daemon) Restart(settings ...string) {
	d.tb.Helper()
	if err := d.restart(settings); err != nil {
		d.tb.Errorf("cairnd does not start: %v\n%s", err, d.logTail())
	}
}

func (d *Daemon) restart(settings []string) error {
	d.Kill()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(settings) > 0 {
		d.arguments = settings
	}
	log, err := os.OpenFile(filepath.Join(d.Directory, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	arguments := slices.Concat([]string{"--data", filepath.Join(d.Directory, "data"), "--create", "--socket", d.Socket}, patient, d.arguments)
	p := &process{cmd: exec.Command(Program(d.tb), arguments...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// A daemon of a test that was killed itself goes, too. The signal is sent when the thread that started it ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	d.process = p
	return d.waitUntilListening(p)
}

func (d *Daemon) waitUntilListening(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), hangsAfter)
	defer cancel()
	for {
		if connects(d.Socket) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %v", p.err)
		case <-ctx.Done():
			return errors.New("it does not listen")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func connects(path string) bool {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// Kill ends the daemon with SIGKILL and waits for its end. Killing one that does not run is fine.
func (d *Daemon) Kill() { d.end(syscall.SIGKILL) }

// Stop ends the daemon with SIGTERM and waits for its end: all that it accepted is written and synced.
func (d *Daemon) Stop() { d.end(syscall.SIGTERM) }

func (d *Daemon) end(signal syscall.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.process == nil {
		return
	}
	d.process.cmd.Process.Signal(signal)
	select {
	case <-d.process.done:
	case <-time.After(hangsAfter):
		d.tb.Errorf("cairnd does not end by signal %d; it is killed", signal)
		d.process.cmd.Process.Kill()
		<-d.process.done
	}
	d.process = nil
}

// PID returns the daemon's process id; 0 while it does not run.
func (d *Daemon) PID() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.process == nil {
		return 0
	}
	return d.process.cmd.Process.Pid
}

// CopyData copies the data directory of a daemon that does not run, as an operator may do, and returns a daemon that was not started on
// the copy; Restart starts it.
func (d *Daemon) CopyData() *Daemon {
	d.tb.Helper()
	if d.PID() != 0 {
		d.tb.Fatal("CopyData of a daemon that runs")
	}
	directory, err := os.MkdirTemp("", "cairn-")
	if err != nil {
		d.tb.Fatal(err)
	}
	c := &Daemon{Directory: directory, Socket: filepath.Join(directory, "socket"), tb: d.tb, arguments: d.arguments}
	d.tb.Cleanup(func() {
		c.Kill()
		os.RemoveAll(directory)
	})
	data := filepath.Join(d.Directory, "data")
	err = filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		to := filepath.Join(directory, "data", relative)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o600)
	})
	if err != nil {
		d.tb.Fatal(err)
	}
	return c
}

func (d *Daemon) logTail() string {
	content, err := os.ReadFile(filepath.Join(d.Directory, "log"))
	if err != nil {
		return err.Error()
	}
	const bytesMax = 4096
	if len(content) > bytesMax {
		content = content[len(content)-bytesMax:]
	}
	return string(bytes.TrimSpace(content))
}

// EndingContext returns a context that ends, as a canceled one does, a moment after somebody has begun to wait for its end. A call that
// is given it sees it end while it lasts, however slow the machine is, and never finds it over when it comes: such a context is ignored.
func EndingContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	return endingContext{ctx, cancel}
}

type endingContext struct {
	context.Context
	end context.CancelFunc
}

func (c endingContext) Done() <-chan struct{} {
	time.AfterFunc(10*time.Millisecond, c.end)
	return c.Context.Done()
}
