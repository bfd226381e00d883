package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/cairn/cairntest"
)

// importFlags are those that cairn-badger takes for each kind of store that keeps a node's data in cairn.
var importFlags = map[string][]string{
	"cairnds": {"--generic"},
}

// What two nodes wrote into Badger is moved into cairn, and verified. Exported at once it equals its source. The nodes run on with
// it, and then, exported again, on Badger.
func TestMigration(t *testing.T) {
	t.Parallel()
	tool, daemon, da := buildTool(t), cairntest.Start(t), newDA(t, 0)
	home, submitted := t.TempDir(), map[string]string{}
	nodes := startPair(t, home, da, storesIn(t, "badger", home, daemon))
	nodes.submit(submitted, "on Badger")
	nodes.waitHeight(t, 30, submitted)
	blocks := nodes.checkSame(t, 30)
	nodes.stop(t)

	for _, kind := range cairnStores {
		run := func(command, name, directory string) {
			t.Helper()
			data := filepath.Join(directory, name, "data")
			if err := os.MkdirAll(data, 0o700); err != nil {
				t.Fatal(err)
			}
			tool(slices.Concat([]string{command}, importFlags[kind],
				[]string{"--socket", daemon.Socket, "--chain", kind + "." + name, filepath.Join(data, "evnode")})...)
		}
		atOnce, returned := filepath.Join(home, "at-once-"+kind), filepath.Join(home, "returned-"+kind)
		for _, name := range []string{"a", "f"} {
			run("import", name, home)
			run("verify", name, home)
			run("export", name, atOnce)
			checkEqual(t, contents(t, filepath.Join(home, name)), contents(t, filepath.Join(atOnce, name)))
		}

		// Each kind of store goes on from the same blocks, so each has a DA layer of its own.
		da, submitted := newDA(t, da.Height()), maps.Clone(submitted)
		nodes := startPair(t, home, da, storesIn(t, kind, "", daemon))
		nodes.submit(submitted, "on "+kind)
		height := uint64(len(blocks)) + 20
		nodes.waitHeight(t, height, submitted)
		now := nodes.checkSame(t, height)
		checkPrefix(t, blocks, now)
		nodes.stop(t)

		run("export", "a", returned)
		run("export", "f", returned)
		nodes = startPair(t, home, da, storesIn(t, "badger", returned, daemon))
		nodes.waitHeight(t, height+5, submitted)
		checkPrefix(t, now, nodes.checkSame(t, height))
		nodes.stop(t)
	}
}

// buildTool builds cairn-badger and returns a function that runs it, and fails the test where it fails.
func buildTool(t *testing.T) func(arguments ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cairn-badger")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = "../../cmd/cairn-badger"
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building cairn-badger: %v\n%s", err, output)
	}
	return func(arguments ...string) {
		t.Helper()
		if output, err := exec.Command(path, arguments...).CombinedOutput(); err != nil {
			t.Fatalf("cairn-badger %q: %v\n%s", arguments, err, output)
		}
	}
}

// contents reads all keys and values of the Badger directory below home.
func contents(t *testing.T, home string) map[string]string {
	t.Helper()
	database, err := openStore(context.Background(), "badger", home, "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	results, err := database.Query(context.Background(), query.Query{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := results.Rest()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string, len(entries))
	for _, entry := range entries {
		all[entry.Key] = string(entry.Value)
	}
	return all
}

func checkEqual(t *testing.T, source, exported map[string]string) {
	t.Helper()
	if len(source) < 100 {
		t.Fatalf("the source holds no more than %d keys", len(source))
	}
	for key, value := range source {
		if other, ok := exported[key]; !ok || other != value {
			t.Errorf("key %q is %x in the source, and %x (%t) exported", key, value, other, ok)
		}
	}
	for key := range exported {
		if _, ok := source[key]; !ok {
			t.Errorf("key %q was exported, and the source has none such", key)
		}
	}
}
