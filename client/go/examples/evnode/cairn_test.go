package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/test/testda"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// What openStore returns has the store of its own that UPSTREAM.md proposes to ask a database for.
var _ interface{ Store() store.Store } = ownStore{}

// Two nodes on one daemon go on while it is killed every four seconds: neither ends, none of their blocks is missing, and both have
// the same ones and all transactions. They still do after a restart of both nodes.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	duration := time.Minute
	if testing.Short() {
		duration = 12 * time.Second
	}
	daemon, home := cairntest.Start(t), t.TempDir()
	pairs, das := map[string]pair{}, map[string]*testda.DummyDA{}
	for _, kind := range cairnStores {
		das[kind] = newDA(t, 0)
		pairs[kind] = startPair(t, filepath.Join(home, kind), das[kind], storesIn(t, kind, "", daemon))
	}

	submitted := map[string]string{}
	kills := 0
	for began := time.Now(); time.Since(began) < duration; kills++ {
		for next := time.Now().Add(4 * time.Second); time.Now().Before(next); time.Sleep(50 * time.Millisecond) {
			key := fmt.Sprint("key ", len(submitted))
			for _, nodes := range pairs {
				nodes.submit(submitted, key)
			}
		}
		daemon.Restart()
	}
	for kind, nodes := range pairs {
		nodes.waitHeight(t, 1, submitted)
		height := nodes.height(t)
		blocks := nodes.checkSame(t, height)
		t.Logf("%s: %d kills, %d blocks equal on both nodes", kind, kills, height)
		nodes.stop(t)

		nodes = startPair(t, filepath.Join(home, kind), das[kind], storesIn(t, kind, "", daemon))
		nodes.waitHeight(t, height+5, submitted)
		checkPrefix(t, blocks, nodes.checkSame(t, height))
		nodes.stop(t)
	}
}

// A node that is killed goes on from its last block when it is started again. The next one waits until the daemon knows that the node
// is gone, and no longer.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	daemon := cairntest.Start(t, "--claim-grace", "500ms")
	program, home := filepath.Join(t.TempDir(), "evnode"), t.TempDir()
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, output)
	}
	client, err := cairn.Open(t.Context(), cairn.Options{Socket: daemon.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	reached := uint64(0)
	for range 3 {
		node := exec.Command(program, "-home", home, "-socket", daemon.Socket, "-chain", "killed", "-block-time", "100ms")
		log := &nodeLog{}
		node.Stdout, node.Stderr = log, log
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Process.Kill() }) // where the test fails
		done := make(chan error, 1)
		go func() { done <- node.Wait() }()
		waitFor(t, fmt.Sprint("height ", reached+5), func() bool {
			select {
			case err := <-done:
				t.Fatalf("the node ended by itself: %v\n%s", err, log)
			default:
			}
			height, err := client.Chain("killed").Height(t.Context()) // an error until the node has made its chain
			if err != nil || height < reached+5 {
				return false
			}
			reached = height
			return true
		})
		if err := node.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	database, err := openStore(t.Context(), "cairnstore", "", daemon.Socket, "killed")
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	chainOf(t, store.New(store.NewEvNodeKVStore(database)), reached)
}
