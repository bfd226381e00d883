package bench

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/bench/badgernode"
	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
	"cairn.invalid/client/go/cairnds"
)

var (
	tmpfs = flag.String("tmpfs", os.TempDir(), "where data on tmpfs lies")
	disk  = flag.String("disk", "", "where data on disk lies; none: not measured")
)

const echoVariable = "CAIRN_BENCH_ECHO" // in the environment of the process that is the echo: where it listens

// What the echo takes and gives: a request and a reply of cairn for a name and a value of 8 bytes.
const (
	requestBytes = 40
	replyBytes   = 42
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(echoVariable); socket != "" {
		if err := serveEcho(socket); err != nil {
			fmt.Fprintln(os.Stderr, "echo:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

type place struct{ name, path string }

func places() []place {
	found := []place{{"tmpfs", *tmpfs}}
	if *disk != "" {
		found = append(found, place{"disk", *disk})
	}
	return found
}

func (p place) directory(b *testing.B) string {
	b.Helper()
	directory, err := os.MkdirTemp(p.path, "cairn-bench-go.")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

// ---- cairn ----

type daemon struct {
	client  *cairn.Client
	chain   *cairn.Chain
	store   *cairnds.Datastore // the same chain
	process int                // its id
}

// startCairn runs a daemon on which this process has claimed a chain, as a node does.
func startCairn(b *testing.B, p place) *daemon {
	b.Helper()
	b.Setenv("TMPDIR", p.directory(b))
	b.Setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1") // as its unit has it
	started := cairntest.Start(b, "--log-level", "error")
	client, err := cairn.Open(background, cairn.Options{Socket: started.Socket, Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	store, err := cairnds.Open(background, client, "node", cairnds.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return &daemon{client, client.Chain("node"), store, started.PID()}
}

// ---- Badger ----

func startBadger(b *testing.B, p place, isSynced bool) *badger.DB {
	b.Helper()
	db := badgernode.Open(p.directory(b), isSynced)
	b.Cleanup(func() { db.Close() })
	return db
}

func badgerPut(db *badger.DB, key string, value []byte) error {
	return db.Update(func(txn *badger.Txn) error { return txn.Set([]byte(key), value) })
}

func badgerGet(db *badger.DB, key string) (value []byte, err error) {
	err = db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(key))
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	return value, err
}

// ---- the bare round trip: a Go program beside this one that answers over a Unix socket, and nothing else ----

// serveEcho ends with the process that started it.
func serveEcho(socket string) error {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			request, reply := make([]byte, requestBytes), make([]byte, replyBytes)
			for {
				if _, err := io.ReadFull(connection, request); err != nil {
					return
				}
				if _, err := connection.Write(reply); err != nil {
					return
				}
			}
		}()
	}
}

// startEcho returns what makes one round trip.
func startEcho(b *testing.B) func() error {
	b.Helper()
	socket := filepath.Join(place{"tmpfs", *tmpfs}.directory(b), "socket")
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), echoVariable+"="+socket)
	command.Stderr = os.Stderr
	ends, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ends.Close(); command.Wait() })
	connection, err := net.Dial("unix", socket)
	for range 6000 { // a minute
		if err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
		connection, err = net.Dial("unix", socket)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { connection.Close() })
	request, reply := make([]byte, requestBytes), make([]byte, replyBytes)
	return func() error {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		_, err := io.ReadFull(connection, reply)
		return err
	}
}

// residentMB is what a process has in memory.
func residentMB(pid int) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kilobytes, found := strings.CutPrefix(line, "VmRSS:"); found {
			count, _ := strconv.ParseFloat(strings.Fields(kilobytes)[0], 64)
			return count / 1024
		}
	}
	return 0
}
