package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/evstack/ev-node/test/testda"

	"cairn.invalid/client/go/cairn/cairntest"
)

// Two nodes on one daemon go on while it is killed every four seconds: neither ends, none of their blocks is missing, and both have
// the same ones and all transactions. They still do after a restart of both nodes.
func TestKilledDaemon(t *testing.T) {
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
