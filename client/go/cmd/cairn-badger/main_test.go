package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
	"cairn.invalid/client/go/cmd/cairn-badger/internal/migrate"
	"cairn.invalid/client/go/cmd/cairn-badger/internal/nodetest"
)

// asTool in the environment makes the test program the tool, which kills itself at the line of that number.
const asTool = "CAIRN_BADGER_AS_TOOL"

func TestMain(m *testing.M) {
	meterInterval = 0 // a line for each commit
	if text := os.Getenv(asTool); text != "" {
		line, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		kill := func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, &lines{at: map[int]func(){line: kill}}))
	}
	os.Exit(m.Run())
}

// tool runs the tool and gives its exit code and what it printed.
func tool(arguments ...string) (code int, out, log string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), arguments, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs the tool, which has to succeed.
func must(t *testing.T, arguments ...string) string {
	t.Helper()
	code, out, log := tool(arguments...)
	if code != exitDone {
		t.Fatalf("%q: exit code %d\n%s%s", arguments, code, out, log)
	}
	return out
}

// refused runs the tool, which has to fail with a code and a text.
func refused(t *testing.T, expected int, text string, arguments ...string) {
	t.Helper()
	code, out, log := tool(arguments...)
	if code != expected || !strings.Contains(log, text) {
		t.Fatalf("%q: exit code %d instead of %d, with %q\n%s%s", arguments, code, expected, text, out, log)
	}
}

func connect(t *testing.T, daemon *cairntest.Daemon) *cairn.Client {
	t.Helper()
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: daemon.Socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// same compares two directories but for some keys.
func same(t *testing.T, expected, got map[string]string, isLeftOut func(key string) bool) {
	t.Helper()
	maps.DeleteFunc(expected, func(key, _ string) bool { return isLeftOut(key) })
	for key, value := range expected {
		if other, there := got[key]; !there || other != value {
			t.Fatalf("%q is %d bytes, there %t, instead of %d", key, len(other), there, len(value))
		}
	}
	for key := range got {
		if _, there := expected[key]; !there {
			t.Fatalf("%q was not in the source", key)
		}
	}
}

// A directory goes into a chain and comes back as it was, but for what the chain cannot hold.
func TestThereAndBack(t *testing.T) {
	daemon := cairntest.Start(t)
	nodes := map[string]nodetest.Node{
		"plain":    {Height: 700, BlockBytes: 300},
		"empty":    {Height: 20},
		"genesis":  {},
		"late":     {First: 90, Height: 120, BlockBytes: 5},
		"pruned":   {Height: 60, BlockBytes: 100, BlocksPruned: 25, StatesPruned: 20},
		"blocks":   {Height: 60, BlockBytes: 100, BlocksPruned: 59},
		"leftover": {Height: 30, BlockBytes: 10, Pending: true, Leftovers: 7},
		"light":    {Layout: evnode.Light},
		"unknown": {Height: 9, BlockBytes: 10, Edit: func(set func(key, value []byte)) {
			set([]byte("/0/h/007"), []byte("not ours"))
			set([]byte("/0/m/rhb/x"), nil)
			set([]byte("/0/i/abc"), []byte{1})
			set([]byte("/\xff\x00"), []byte{2})
		}},
	}
	for name, node := range nodes {
		if name != "light" {
			node.Layout = evnode.Full
		}
		node.Seed = 7
		t.Run(name, func(t *testing.T) { thereAndBack(t, daemon, name, node) })
	}
}

// The same for directories of any shape.
func TestThereAndBackRandom(t *testing.T) {
	daemon := cairntest.Start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for at := range 5 {
		node := nodetest.Node{Layout: evnode.Full, Seed: random.Uint64(), First: 1 + random.Uint64N(20), BlockBytes: random.IntN(3000),
			Pending: random.IntN(2) == 0, Leftovers: random.IntN(10)}
		blocks := 1 + random.Uint64N(600)
		node.Height = node.First + blocks - 1
		if random.IntN(2) == 0 {
			node.BlocksPruned = node.First + random.Uint64N(blocks)
		}
		if random.IntN(2) == 0 {
			node.StatesPruned = random.Uint64N(node.Height)
		}
		t.Logf("%+v", node)
		thereAndBack(t, daemon, fmt.Sprintf("random.%d", at), node)
	}
}

func thereAndBack(t *testing.T, daemon *cairntest.Daemon, name string, node nodetest.Node) {
	t.Helper()
	dir := t.TempDir()
	source, back, generic := filepath.Join(dir, "source"), filepath.Join(dir, "back"), filepath.Join(dir, "generic")
	node.Write(t, source)
	all := nodetest.Dump(t, source)
	at := []string{"--socket", daemon.Socket, "--chain", name}
	tool := func(command string, dir string, flags ...string) []string {
		return append(slices.Concat([]string{command}, flags, at), dir)
	}
	must(t, tool("import", source, "--dry-run")...)
	must(t, tool("import", source)...)
	must(t, tool("verify", source)...)
	if node.Layout == evnode.Light {
		must(t, tool("export", back, "--light")...)
	} else {
		must(t, tool("export", back)...)
	}
	index := indexOf(node, all)
	same(t, maps.Clone(all), nodetest.Dump(t, back), func(key string) bool {
		parsed := node.Layout.Parse([]byte(key))
		return parsed.Kind == evnode.Index && !index[key] ||
			parsed.Kind == evnode.State && node.StatesPruned > 0 && parsed.Height <= node.StatesPruned
	})

	if node.Height > 0 {
		refused(t, exitTarget, "--generic does not export", tool("export", generic, "--generic")...)
		refused(t, exitDiffers, "--generic compares", tool("verify", source, "--generic")...)
	}
	at[3] += ".generic"
	must(t, tool("import", source, "--generic")...)
	must(t, tool("verify", source, "--generic")...)
	must(t, tool("export", generic, "--generic")...)
	same(t, all, nodetest.Dump(t, generic), func(string) bool { return false })
}

// indexOf gives the keys of the hash index that lead to a block there is.
func indexOf(node nodetest.Node, all map[string]string) map[string]bool {
	keys := map[string]bool{}
	for key, value := range all {
		if parsed := node.Layout.Parse([]byte(key)); parsed.Kind == evnode.Header {
			keys[nodetest.IndexKey(node.Layout, value)] = true
		}
	}
	return keys
}

// A node may run on what was imported: the height, the last state, blocks by hash, pruned heights and bound names are cairn's own.
func TestNative(t *testing.T) {
	daemon := cairntest.Start(t)
	node := nodetest.Node{Layout: evnode.Full, Seed: 8, Height: 50, BlockBytes: 100, BlocksPruned: 10, StatesPruned: 5}
	source := filepath.Join(t.TempDir(), "source")
	node.Write(t, source)
	must(t, "import", "--socket", daemon.Socket, "--chain", "node", source)
	ctx := context.Background()
	chain := connect(t, daemon).Chain("node")
	if height, err := chain.Height(ctx); err != nil || height != 50 {
		t.Error(height, err)
	}
	if state, err := chain.LastState(ctx); err != nil || state.Height != 50 || len(state.Value) == 0 {
		t.Error(state, err)
	}
	if _, err := chain.Get(ctx, migrate.ProgressName); err == nil {
		t.Error("the import is not over")
	}
	if entry, err := chain.GetParts(ctx, "m/rhb/11/h", cairn.MetadataBinding); err != nil || entry.OfHeight != 11 {
		t.Error(entry, err)
	}
	// A node runs on: blocks are compared up to where the directory ends, names and states are the node's.
	next := cairn.CommitRequest{RiseTo: 51, Blocks: []cairn.Block{{Height: 51, Header: []byte("next")}},
		States: []cairn.State{{Height: 50, Value: []byte("again")}, {Height: 51}}, Metadata: []cairn.Operation{cairn.Delete("m/gdh")}}
	if _, err := chain.Commit(ctx, &next); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "verify", "--socket", daemon.Socket, "--chain", "node", source); !strings.Contains(out, "has gone on") ||
		strings.Contains(out, " states\n") || strings.Contains(out, "blocks and states") {
		t.Error(out)
	}
	// What is pruned next takes the bound names along.
	if _, err := chain.Prune(ctx, &cairn.PruneRequest{BlocksThrough: 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.Get(ctx, "m/rhb/11/h"); err == nil {
		t.Error("a name bound to a pruned block is there")
	}
	if _, err := chain.Get(ctx, "m/rhb/21/h"); err != nil {
		t.Error(err)
	}
	refused(t, exitDiffers, "block 11 is in the directory and not in the chain", "verify", "--socket", daemon.Socket, "--chain", "node", source)
}

// What is wrong is told, with where it is and what to do, and nothing is written.
func TestRefused(t *testing.T) {
	daemon := cairntest.Start(t)
	ctx := context.Background()
	client := connect(t, daemon)
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	nodetest.Node{Layout: evnode.Full, Seed: 9, Height: 5}.Write(t, good)
	at := func(command, chain, dir string, flags ...string) []string {
		return append(append([]string{command, "--socket", daemon.Socket, "--chain", chain}, flags...), dir)
	}
	refused(t, exitUsage, "there is no command", "move", good)
	refused(t, exitUsage, "takes one directory", "inspect")
	refused(t, exitUsage, "flag", "inspect", "--light", good)
	refused(t, exitSource, "not a Badger directory", "inspect", dir)
	refused(t, exitTarget, "is not empty: name a directory", at("export", "default", good)...)

	for chain, request := range map[string]*cairn.CommitRequest{
		"height": {RiseTo: 1},
		"block":  {Blocks: []cairn.Block{{Height: 4, Header: []byte("h")}}},
		"state":  {States: []cairn.State{{Height: 0, Value: []byte("s")}}},
		"name":   {Metadata: []cairn.Operation{cairn.Set("m/name", nil)}},
	} {
		if _, err := client.CreateChain(ctx, chain); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Chain(chain).Commit(ctx, request); err != nil {
			t.Fatal(err)
		}
		refused(t, exitTarget, "is not empty", at("import", chain, good)...)
		refused(t, exitTarget, chain, at("import", chain, good, "--dry-run")...)
	}

	holes := filepath.Join(dir, "holes")
	nodetest.Node{Layout: evnode.Full, Seed: 9, Height: 5, Edit: func(set func(key, value []byte)) {
		set(evnode.Full.HeightKey(), nodetest.U64(8))
	}}.Write(t, holes)
	refused(t, exitSource, "blocks 6 to 8 are missing", at("import", "holes", holes)...)
	refused(t, exitSource, "blocks 6 to 8 are missing", "inspect", holes)
	if chains, err := client.Chains(ctx); err != nil || len(chains) != 5 {
		t.Fatalf("%d chains, and 5 were made here: %v", len(chains), err)
	}
}

// Nobody listens. It takes the client's 10 seconds, beside another test.
func TestNoDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	nodetest.Node{Layout: evnode.Full, Seed: 9, Height: 5}.Write(t, source)
	refused(t, exitNoDaemon, "no daemon", "import", "--dry-run", "--socket", filepath.Join(dir, "none"), source)
}

// A block that does not follow the one before ends the import at its height, and the chain says that it is not over.
func TestBrokenLink(t *testing.T) {
	daemon := cairntest.Start(t)
	dir := t.TempDir()
	other, broken := filepath.Join(dir, "other"), filepath.Join(dir, "broken")
	nodetest.Node{Layout: evnode.Full, Seed: 10, Height: 40, BlockBytes: 10}.Write(t, other)
	all := nodetest.Dump(t, other)
	nodetest.Node{Layout: evnode.Full, Seed: 11, Height: 40, BlockBytes: 10, Edit: func(set func(key, value []byte)) {
		for _, kind := range []evnode.Kind{evnode.Header, evnode.Data} {
			key := evnode.Full.Key(kind, 33)
			set(key, []byte(all[string(key)]))
		}
	}}.Write(t, broken)
	at := []string{"--socket", daemon.Socket, "--chain", "broken", broken}
	refused(t, exitSource, "block 33 does not follow block 32", append([]string{"import"}, at...)...)
	refused(t, exitSource, "block 33 does not follow block 32", "inspect", "--deep", broken)
	refused(t, exitTarget, "is not over", append([]string{"verify"}, at...)...)
	refused(t, exitTarget, "is not over", append([]string{"export"}, append(at[:4:4], filepath.Join(dir, "back"))...)...)
	// Another directory is not mixed into it, nor this one another way.
	refused(t, exitTarget, "another directory", "import", "--socket", daemon.Socket, "--chain", "broken", other)
	refused(t, exitTarget, "generic false", append([]string{"import", "--generic"}, at...)...)
}

// A value above the daemon's frame bound is told before anything is written, with the setting that it needs; with that it goes
// there and back.
func TestLargeValue(t *testing.T) {
	daemon := cairntest.Start(t)
	dir := t.TempDir()
	source, back := filepath.Join(dir, "source"), filepath.Join(dir, "back")
	const large = 120 << 20
	node := nodetest.Node{Layout: evnode.Full, Seed: 12, Height: 3, ValueMax: large, Edit: func(set func(key, value []byte)) {
		set(evnode.Full.NameKey("m/pending_data"), bytes.Repeat([]byte("large value "), large/12))
	}}
	node.Write(t, source)
	at := []string{"--socket", daemon.Socket}
	refused(t, exitTarget, "--frame-bytes-max=256MiB", append(append([]string{"import"}, at...), source)...)
	refused(t, exitTarget, "pending_data", append(append([]string{"import", "--dry-run"}, at...), source)...)
	daemon.Stop()
	daemon.Restart("--frame-bytes-max", "256MiB", "--requests-bytes-max", "1GiB")
	must(t, append(append([]string{"import"}, at...), source)...)
	must(t, append(append([]string{"export"}, at...), back)...)
	same(t, nodetest.Dump(t, source), nodetest.Dump(t, back), func(string) bool { return false })
}

// lines is a writer that does something at the line of a number, of those that tell how much was imported or exported.
type lines struct {
	bytes.Buffer
	at map[int]func()

	seen int
}

func (l *lines) Write(text []byte) (int, error) {
	for range bytes.Count(text, []byte("ported: ")) {
		l.seen++
		if do := l.at[l.seen]; do != nil {
			do()
		}
	}
	return l.Buffer.Write(text)
}

// An import is killed after some of its commits, again and again, and so is the daemon; in the end all is there, once.
func TestKilled(t *testing.T) {
	t.Parallel()
	daemon := cairntest.Start(t, "--claim-grace", "100ms")
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	node := nodetest.Node{Layout: evnode.Full, Seed: 13, Height: 1500, BlockBytes: 40_000}
	node.Write(t, source)
	for _, generic := range []bool{false, true} {
		chain := fmt.Sprintf("killed.%t", generic)
		arguments := []string{"import", "--socket", daemon.Socket, "--chain", chain}
		if generic {
			arguments = append(arguments, "--generic")
		}
		arguments = append(arguments, source)
		for kill, line := range []int{2, 3, 2} {
			killAt(t, line, arguments...)
			if kill%2 == 1 {
				daemon.Restart()
			}
		}
		// Ctrl-C ends it in order: the claim is released.
		ctx, cancel := context.WithCancel(context.Background())
		log := &lines{at: map[int]func(){2: cancel}}
		if code := run(ctx, arguments, log, log); code != exitInterrupted {
			t.Fatalf("exit code %d\n%s", code, log.String())
		}
		chains, err := connect(t, daemon).Chains(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range chains {
			if info.Name == chain && info.Claim != nil {
				t.Errorf("%+v is still claimed", info)
			}
		}
		log = &lines{at: map[int]func(){3: func() { daemon.Restart() }, 4: func() { daemon.Restart() }, 7: func() { daemon.Restart() }}}
		if code := run(context.Background(), arguments, log, log); code != exitDone {
			t.Fatalf("exit code %d\n%s", code, log.String())
		}
		t.Log(log.String())
		must(t, append([]string{"verify"}, arguments[1:]...)...)

		// And so is the export.
		back := fmt.Sprintf("%s.back.%t", source, generic)
		arguments[0], arguments[len(arguments)-1] = "export", back
		for kill, line := range []int{300, 500} {
			killAt(t, line, arguments...)
			if kill == 1 {
				daemon.Restart()
			}
		}
		must(t, arguments...)
		same(t, nodetest.Dump(t, source), nodetest.Dump(t, back), func(string) bool { return false })
		if _, err := os.Lstat(back + migrate.PartialSuffix); err == nil {
			t.Error("the partial directory is still there")
		}
	}
}

// killAt runs the tool in a process of its own, which is killed at the line of a number that it prints.
func killAt(t *testing.T, line int, arguments ...string) {
	t.Helper()
	process := exec.Command(os.Args[0], arguments...)
	process.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asTool, line))
	output, err := process.CombinedOutput()
	if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("%q is to be killed at line %d: %v\n%s", arguments, line, err, output)
	}
}
