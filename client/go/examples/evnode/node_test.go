package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/test/testda"
	ds "github.com/ipfs/go-datastore"
	"github.com/rs/zerolog"

	"cairn.invalid/client/go/cairn/cairntest"
)

// patience bounds each wait for a condition. A test on a machine that is ten times slower passes as well; one that waits for what never
// comes ends before go test gives up.
const patience = 3 * time.Minute

// newDA makes a DA layer in memory, which makes a block ten times a second until the test ends.
func newDA(t *testing.T, height uint64) *testda.DummyDA {
	da := testda.New(testda.WithStartHeight(height))
	t.Cleanup(da.StartHeightTicker(100 * time.Millisecond))
	return da
}

// testNode is a node that runs in the background until stop.
type testNode struct {
	*exampleNode
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // what Run returned; after ended
}

// startNode starts a node on the database. Without an aggregator it is one itself.
func startNode(t *testing.T, home string, database ds.Batching, da *testda.DummyDA, aggregator *testNode) *testNode {
	t.Helper()
	role := "aggregator"
	options := nodeOptions{
		Home:      home,
		Database:  database,
		DA:        da,
		Listen:    "/ip4/127.0.0.1/tcp/0",
		RPC:       "127.0.0.1:0",
		BlockTime: 100 * time.Millisecond,
	}
	if aggregator != nil {
		role = "full"
		options.Genesis = aggregator.Genesis
		options.Peers = []string{aggregator.Address}
	}
	log := &nodeLog{}
	options.Logger = zerolog.New(log).With().Timestamp().Str("node", role).Logger().Level(zerolog.InfoLevel)
	example, err := newNode(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &testNode{exampleNode: example, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(n.ended)
		n.err = example.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-n.ended
		if t.Failed() {
			t.Logf("the log of the %s node:\n%s", role, log)
		}
	})
	return n
}

// nodeLog keeps the last lines that a node logged. A node may still log when its test has ended, so t.Log is not for it.
type nodeLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *nodeLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	if len(l.lines) > 200 {
		l.lines = slices.Delete(l.lines, 0, 100)
	}
	return len(line), nil
}

func (l *nodeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// stop ends the node as an operator's SIGTERM does, and waits for it. ev-node gives each of its services three seconds, which may be too
// few on a loaded machine: that is no fault of the store.
func (n *testNode) stop(t *testing.T) {
	t.Helper()
	n.running(t)
	n.cancel()
	<-n.ended
	if n.err != nil && !errors.Is(n.err, context.Canceled) && !errors.Is(n.err, context.DeadlineExceeded) {
		t.Fatalf("the node stopped with: %v", n.err)
	}
}

// running fails the test if the node has ended by itself.
func (n *testNode) running(t *testing.T) {
	t.Helper()
	select {
	case <-n.ended:
		t.Fatalf("the node ended by itself: %v", n.err)
	default:
	}
}

// height returns the height of the node's store.
func (n *testNode) height(t *testing.T) uint64 {
	t.Helper()
	height, err := n.Store.Height(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return height
}

// waitFor polls a condition.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// chainOf reads the blocks 1 to height of a store. It fails the test where one is missing or does not follow the one before it.
func chainOf(t *testing.T, s store.Store, height uint64) (blocks []string) {
	t.Helper()
	ctx := context.Background()
	var last []byte
	for h := uint64(1); h <= height; h++ {
		header, data, err := s.GetBlockData(ctx, h)
		if err != nil {
			t.Fatalf("block %d of %d: %v", h, height, err)
		}
		signature, err := s.GetSignature(ctx, h)
		if err != nil {
			t.Fatalf("signature %d of %d: %v", h, height, err)
		}
		if h > 1 && !bytes.Equal(header.LastHeaderHash, last) {
			t.Fatalf("block %d names %x as its predecessor, but that is %x", h, header.LastHeaderHash, last)
		}
		last = header.Hash()
		headerBytes, err := header.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		dataBytes, err := data.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, fmt.Sprintf("%x %x %x", headerBytes, dataBytes, *signature))
	}
	return blocks
}

// checkPrefix fails the test unless the second list begins with the first.
func checkPrefix(t *testing.T, blocks, longer []string) {
	t.Helper()
	for i := range blocks {
		if blocks[i] != longer[i] {
			t.Fatalf("block %d differs:\n%s\n%s", i+1, blocks[i], longer[i])
		}
	}
}

// pair is an aggregator and the full node that follows it.
type pair struct {
	aggregator, full *testNode
}

func startPair(t *testing.T, home string, da *testda.DummyDA, open func(name string) ds.Batching) pair {
	t.Helper()
	aggregator := startNode(t, filepath.Join(home, "a"), open("a"), da, nil)
	return pair{aggregator, startNode(t, filepath.Join(home, "f"), open("f"), da, aggregator)}
}

// submit has the aggregator put a transaction into a block, and notes it.
func (p pair) submit(submitted map[string]string, key string) {
	submitted[key] = "seen"
	p.aggregator.Executor.Submit(key, "seen")
}

func (p pair) stop(t *testing.T) {
	t.Helper()
	p.full.stop(t)
	p.aggregator.stop(t)
}

// height returns the lower height of both, and fails the test if one of them has ended.
func (p pair) height(t *testing.T) uint64 {
	t.Helper()
	p.aggregator.running(t)
	p.full.running(t)
	return min(p.aggregator.height(t), p.full.height(t))
}

// waitHeight waits until both have reached the height and executed what was submitted.
func (p pair) waitHeight(t *testing.T, height uint64, submitted map[string]string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("height %d with %d keys", height, len(submitted)), func() bool {
		return p.height(t) >= height && maps.Equal(p.aggregator.Executor.Values(), submitted) &&
			maps.Equal(p.full.Executor.Values(), submitted)
	})
}

// checkSame fails the test unless both have the same blocks up to the height, and returns these.
func (p pair) checkSame(t *testing.T, height uint64) (blocks []string) {
	t.Helper()
	blocks = chainOf(t, p.aggregator.Store, height)
	checkPrefix(t, blocks, chainOf(t, p.full.Store, height))
	return blocks
}

// storesIn returns a function that opens the store of a node again and again: in the directory, or on the daemon.
func storesIn(t *testing.T, kind, directory string, daemon *cairntest.Daemon) func(name string) ds.Batching {
	return func(name string) ds.Batching {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		database, err := openStore(ctx, kind, filepath.Join(directory, name), daemon.Socket, kind+"."+name)
		if err != nil {
			t.Fatal(err)
		}
		return database
	}
}

// cairnStores are the kinds of store that keep a node's data in cairn.
var cairnStores = []string{"cairnds", "cairnstore"}

// Two nodes have the same blocks, also after both were stopped and started again, on each kind of store.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	daemon := cairntest.Start(t)
	for _, kind := range append([]string{"badger"}, cairnStores...) {
		t.Run(kind, func(t *testing.T) {
			home, da, submitted := t.TempDir(), newDA(t, 0), map[string]string{}
			open := storesIn(t, kind, home, daemon)
			var blocks []string
			for round := range 2 {
				nodes := startPair(t, home, da, open)
				nodes.submit(submitted, fmt.Sprint("round ", round))
				height := uint64(len(blocks)) + 10
				nodes.waitHeight(t, height, submitted)
				now := nodes.checkSame(t, height)
				checkPrefix(t, blocks, now)
				blocks = now
				nodes.stop(t)
			}
		})
	}
}
