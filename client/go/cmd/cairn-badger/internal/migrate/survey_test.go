package migrate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
	"cairn.invalid/client/go/cmd/cairn-badger/internal/nodetest"
)

func open(t *testing.T, dir string, inPlace bool) *Source {
	t.Helper()
	source, err := OpenSource(context.Background(), dir, inPlace, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return source
}

func survey(t *testing.T, node nodetest.Node) (*Source, *Survey) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "node")
	node.Write(t, dir)
	source := open(t, dir, false)
	survey, err := TakeSurvey(context.Background(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	return source, survey
}

// readAll reads all heights as an import does.
func readAll(source *Source, survey *Survey) (records []record, err error) {
	for piece, err := range readHeights(context.Background(), source, survey, 0) {
		if err != nil {
			return records, err
		}
		records = append(records, piece.records...)
	}
	return records, nil
}

func TestSurvey(t *testing.T) {
	node := nodetest.Node{Layout: evnode.Full, Seed: 1, Height: 1300, BlockBytes: 100, BlocksPruned: 40, StatesPruned: 30,
		Pending: true, Leftovers: 5}
	source, survey := survey(t, node)
	if len(survey.Faults) > 0 {
		t.Fatal(survey.Faults)
	}
	var text strings.Builder
	survey.Print(&text)
	t.Log(text.String())
	if survey.Height != 1300 || survey.BlocksPruned != 40 || survey.StatesPruned != 30 || survey.Layout != evnode.Full {
		t.Error("wrong marks")
	}
	if survey.Blocks.Count() != 1261 || survey.States.Count() != 1270 || survey.Index != 1266 || survey.PrunedStates != 1 {
		t.Errorf("%d blocks, %d states, %d in the index, %d states left out", survey.Blocks.Count(), survey.States.Count(),
			survey.Index, survey.PrunedStates)
	}
	records, err := readAll(source, survey)
	if err != nil {
		t.Fatal(err)
	}
	blocks, indexed := 0, 0
	for at, record := range records {
		if at > 0 && record.height <= records[at-1].height {
			t.Fatalf("%d behind %d", record.height, records[at-1].height)
		}
		if record.isBlock {
			blocks++
		}
		if record.isIndexed {
			indexed++
		}
	}
	if blocks != 1261 || indexed != 1261 {
		t.Errorf("%d blocks read, %d of them indexed", blocks, indexed)
	}
}

func TestSurveyLight(t *testing.T) {
	_, survey := survey(t, nodetest.Node{Layout: evnode.Light, Seed: 2})
	if len(survey.Faults) > 0 || survey.Layout != evnode.Light || survey.Blocks.Count() != 0 || survey.Names == 0 {
		t.Fatalf("%+v", survey)
	}
}

// Each fault is told with its height or key, and reading stops at the first block that is not what it should be.
func TestFaults(t *testing.T) {
	layout := evnode.Full
	key := layout.Key
	tests := []struct {
		name  string
		text  string
		where string // "survey" or "read"
		edit  func(set func(key, value []byte))
	}{
		{"no state", "no state at the height 30", "survey", func(set func(key, value []byte)) {
			set(layout.HeightKey(), nodetest.U64(30))
			for height := uint64(21); height <= 30; height++ {
				for _, kind := range []evnode.Kind{evnode.Header, evnode.Data, evnode.Signature} {
					set(key(kind, height), []byte{8, 0})
				}
			}
		}},
		{"gap", "blocks 21 to 29 are missing", "survey", func(set func(key, value []byte)) {
			for _, kind := range []evnode.Kind{evnode.Header, evnode.Data, evnode.Signature} {
				set(key(kind, 30), []byte{8, 0})
			}
		}},
		{"missing top", "blocks 21 to 22 are missing", "survey", func(set func(key, value []byte)) {
			set(layout.HeightKey(), nodetest.U64(22))
			set(key(evnode.State, 22), nodetest.State(1, 22, nil))
		}},
		{"missing bottom", "blocks 1 to 6 are missing", "survey", func(set func(key, value []byte)) {
			set(layout.NameKey(evnode.NameBlocksPruned), []byte("no mark"))
		}},
		{"pruned, and a gap", "blocks 4 to 6 are missing", "survey", func(set func(key, value []byte)) {
			set(layout.NameKey(evnode.NameBlocksPruned), nodetest.U64(3))
		}},
		{"part", "block 21 is not whole", "survey", func(set func(key, value []byte)) {
			set(key(evnode.Header, 21), []byte{8, 0})
		}},
		{"pruned above", "above the height 20", "survey", func(set func(key, value []byte)) {
			set(layout.NameKey(evnode.NameBlocksPruned), nodetest.U64(21))
		}},
		{"foreign key", "no leading slash", "survey", func(set func(key, value []byte)) {
			set([]byte("foreign"), nil)
		}},
		{"long key", "1025 bytes", "survey", func(set func(key, value []byte)) {
			set([]byte("/"+strings.Repeat("x", 1024)), nil)
		}},
		{"height of 4 bytes", "4 bytes instead of 8", "survey", func(set func(key, value []byte)) {
			set(layout.HeightKey(), []byte{1, 0, 0, 0})
		}},
		{"data", "block 7: the header has", "read", func(set func(key, value []byte)) {
			set(key(evnode.Data, 7), nodetest.Bytes(nil, 2, []byte("other")))
		}},
		{"header", "block 7: the header cannot be read", "read", func(set func(key, value []byte)) {
			set(key(evnode.Header, 7), []byte{0xff})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node := nodetest.Node{Layout: layout, Seed: 3, Height: 20, BlockBytes: 10}
			if strings.Contains(test.text, "to 6 are missing") {
				node.BlocksPruned = 6
			}
			node.Edit = test.edit
			source, survey := survey(t, node)
			text := ""
			if err := survey.Refuses(false); err != nil {
				text = err.Error()
			}
			if test.where == "read" {
				if text != "" {
					t.Fatal(text)
				}
				_, err := readAll(source, survey)
				if err == nil {
					t.Fatal("no fault")
				}
				text = err.Error()
			}
			if !strings.Contains(text, test.text) {
				t.Fatalf("%q does not tell %q", text, test.text)
			}
		})
	}
}

// A block that is sound by itself, but of another chain.
func TestBrokenLink(t *testing.T) {
	node := nodetest.Node{Layout: evnode.Full, Seed: 4, Height: 1200, BlockBytes: 10}
	other := nodetest.Node{Layout: evnode.Full, Seed: 5, Height: 1200, BlockBytes: 10}
	dir := filepath.Join(t.TempDir(), "other")
	other.Write(t, dir)
	all := nodetest.Dump(t, dir)
	node.Edit = func(set func(key, value []byte)) {
		for _, kind := range []evnode.Kind{evnode.Header, evnode.Data} {
			set(node.Layout.Key(kind, 1025), []byte(all[string(node.Layout.Key(kind, 1025))]))
		}
	}
	source, survey := survey(t, node)
	records, err := readAll(source, survey)
	if err == nil || !strings.Contains(err.Error(), "block 1025 does not follow block 1024") {
		t.Fatal(err)
	}
	if last := records[len(records)-1]; last.height >= 1025 {
		t.Fatalf("height %d was read", last.height)
	}
}

// A directory that a killed node left is read from a copy, which goes, and stays byte for byte what it is; so does one that was closed.
func TestUnclean(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	running := filepath.Join(t.TempDir(), "running")
	node := nodetest.Node{Layout: evnode.Full, Seed: 6, Height: 50, BlockBytes: 1000}
	db := node.Open(t, running)
	if _, err := OpenSource(context.Background(), running, false, t.Logf); err == nil || !strings.Contains(err.Error(), "stop the node") {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(running)); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	for _, inPlace := range []bool{false, true, false} { // the third finds it closed, by the second
		source, err := OpenSource(context.Background(), dir, inPlace, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		survey, err := TakeSurvey(context.Background(), source, nil)
		if err != nil {
			t.Fatal(err)
		}
		if records, err := readAll(source, survey); err != nil || len(records) != 51 || len(survey.Faults) > 0 {
			t.Fatal(len(records), err, survey.Faults)
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(dir + CopySuffix); err == nil {
			t.Fatal("the copy is still there")
		}
		after := files(t, dir)
		if !inPlace && after != before {
			t.Fatal("the source was changed")
		}
		before = after
	}
}

// A kill between making a log file and giving it a size leaves an empty one, at which Badger fails once.
func TestEmptyLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	node := nodetest.Node{Layout: evnode.Full, Seed: 7, Height: 50, BlockBytes: 1000}
	node.Write(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "00099.mem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, inPlace := range []bool{false, true} {
		source, err := OpenSource(context.Background(), dir, inPlace, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		survey, err := TakeSurvey(context.Background(), source, nil)
		if err != nil {
			t.Fatal(err)
		}
		if records, err := readAll(source, survey); err != nil || len(records) != 51 || len(survey.Faults) > 0 {
			t.Fatal(len(records), err, survey.Faults)
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is in the way of a copy, and no copy, is left alone.
func TestInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeOwn(dir); err == nil {
		t.Fatal("a directory of somebody was removed")
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, entry := range entries {
		bytes, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name(), ".vlog") && len(bytes) <= 20 {
			continue // a value log that holds nothing but its header: Badger removes it wherever it opens it
		}
		all.WriteString(entry.Name())
		all.Write(bytes)
	}
	return all.String()
}
