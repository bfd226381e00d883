package cairn

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
)

// golden reads the frames of PROTOCOL.md, by name.
func golden(tb testing.TB) map[string][]byte {
	tb.Helper()
	file, err := os.Open("../../../proto/PROTOCOL.md")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	frames := map[string][]byte{}
	name := ""
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "```hex "):
			name = strings.TrimPrefix(line, "```hex ")
		case strings.HasPrefix(line, "```"):
			name = ""
		case name != "":
			digits, _, _ := strings.Cut(line, "#")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				tb.Fatalf("%s: %v", name, err)
			}
			frames[name] = append(frames[name], b...)
		}
	}
	if len(frames) < 60 {
		tb.Fatalf("%d frames in PROTOCOL.md", len(frames))
	}
	return frames
}

// fields lists a message's fields, nested ones of bytes as they are, in a form that does not depend on their order.
func fields(tb testing.TB, body []byte) map[int][]string {
	tb.Helper()
	all := map[int][]string{}
	if !decode(body, func(f *field) bool {
		text := hex.EncodeToString(f.bytes)
		if f.wire != wireBytes {
			text = string(rune('0'+f.wire)) + ":" + hex.EncodeToString(appendUint(nil, 1, f.uint))
		}
		all[f.number] = append(all[f.number], text)
		return true
	}) {
		tb.Fatalf("malformed: %x", body)
	}
	return all
}

// Each request of the page is what the encoder gives, but for what this client always says and the page leaves to the default: the
// chain, the window, empty parts of a block.
func TestRequestsAreThoseOfTheProtocolsPage(t *testing.T) {
	frames := golden(t)
	seven := uint64(2)
	five := uint64(5)
	chain := "default"
	requests := map[string][]byte{
		"create_chain":        encodeChainOnly(nil, frameCreateChain, "aux"),
		"drop_chain":          encodeChainOnly(nil, frameDropChain, "aux"),
		"chains":              encodeEmpty(nil, frameChains),
		"status":              encodeEmpty(nil, frameStatus),
		"barrier":             encodeBarrier(nil, LevelDefault),
		"height":              encodeChainOnly(nil, frameHeight, chain),
		"read_block":          encodeReadBlock(nil, chain, 1, nil, PartHeader|PartHash),
		"read_block_by_hash":  encodeReadBlock(nil, chain, 0, []byte{1, 2, 3}, 0),
		"read_blocks":         encodeReadBlocks(nil, chain, nil, 1, 1000, PartData),
		"read_blocks_heights": encodeReadBlocks(nil, chain, []uint64{1, 300}, 0, 0, 0),
		"read_state":          encodeReadState(nil, chain, nil),
		"get_metadata":        encodeGetMetadata(nil, chain, "included", metadataPartsDefault),
		"get_metadata_many":   encodeGetMetadataMany(nil, chain, []string{"peer", "seen"}, metadataPartsDefault),
		"list_metadata":       encodeListMetadata(nil, chain, &ListRequest{Prefix: "in", Parts: metadataPartsDefault}),
		"credit":              encodeCredit(nil, 14, 12),
		"cancel":              encodeCancel(nil, 15),
		"write_metadata":      encodeWriteMetadata(nil, chain, []Operation{Set("peer", []byte("10.0.0.1"))}, LevelDefault),
		"write_metadata_batch": encodeWriteMetadata(nil, chain,
			[]Operation{Raise("included", 9), Delete("peer"), SetBound("seen", nil, 1)}, LevelWritten),
		"write_metadata_resend": appendResendOf(encodeWriteMetadata(nil, chain, []Operation{Set("peer", nil)}, LevelDefault), 1006),
		"commit": encodeCommit(nil, chain, &CommitRequest{
			Blocks:   []Block{{Height: 1, Header: []byte("h1"), Data: []byte("data"), Signature: []byte("sig")}},
			States:   []State{{Height: 1, Value: []byte("s1")}},
			RiseTo:   1,
			Metadata: []Operation{Raise("included", 1)},
		}),
		"commit_conditional": encodeCommit(nil, "aux", &CommitRequest{Carry: true, ExpectedHeight: &five, RiseTo: 2}),
		"prune":              encodePrune(nil, chain, &PruneRequest{Level: LevelWritten, BlocksThrough: 1, Metadata: []Operation{Raise("pruned", 1)}}),
		"prune_dry_run":      encodePrune(nil, chain, &PruneRequest{BlocksThrough: 4, StatesThrough: &seven, DryRun: true}),
		"rollback": encodeRollback(nil, chain, &RollbackRequest{To: 3, DryRun: true,
			Guards: []Guard{{Name: "final"}, {Name: "included", Lower: true}}}),
	}
	epoch := Epoch{Sequence: 1011, random: 1234605616436508552}
	requests["get_metadata_parts"] = encodeGetMetadata(nil, chain, "included", MetadataBinding|MetadataSize)
	requests["list_metadata_reverse"] = encodeListMetadata(nil, chain, &ListRequest{Start: "p", End: "t", Limit: 1, Reverse: true})
	requests["usage"] = encodeChainOnly(nil, frameUsage, chain)
	requests["commit_deletes"] = encodeCommit(nil, chain, &CommitRequest{ExpectedHeight: &five,
		Metadata: []Operation{DeleteRange("peer", "peers")}, DeleteBlocks: []uint64{3, 4}})
	requests["claim"] = encodeClaim(nil, "aux", "node-a", false)
	requests["present"] = encodePresent(nil, "aux", epoch, true)
	requests["release"] = encodeChainOnly(nil, frameRelease, "aux")
	numbered := encodeCommit(nil, "aux", &CommitRequest{Blocks: []Block{{Height: 1, Header: []byte("h1")}}, RiseTo: 1})
	requests["commit_numbered"] = setNumber(numbered, frameCommit, len(numbered), 1)
	ours := map[string][]int{ // fields beyond those of the page
		"read_blocks": {6}, "read_blocks_heights": {6}, "get_metadata_many": {3}, "list_metadata": {5},
		"list_metadata_reverse": {5},
		"write_metadata_batch":  {3}, // the page's has a deadline
	}
	for name, frame := range requests {
		want := frames[name]
		if want == nil {
			t.Errorf("PROTOCOL.md has no %s", name)
			continue
		}
		if !bytes.Equal(frame[:4], want[:4]) {
			t.Errorf("%s: header %x, want %x", name, frame[:4], want[:4])
		}
		if n := len(frame) - requestHeaderBytes; int(frame[4])|int(frame[5])<<8 != n {
			t.Errorf("%s: length %x of %d", name, frame[4:8], n)
		}
		got, wanted := fields(t, frame[requestHeaderBytes:]), fields(t, want[requestHeaderBytes:])
		if _, ok := wanted[1]; !ok && name != "credit" {
			delete(got, 1)
		}
		for _, number := range ours[name] {
			delete(got, number)
			delete(wanted, number)
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s: fields %v, want %v", name, got, wanted)
		}
	}
	hello := fields(t, encodeHello(nil, "example", resume{run: 7, random: 1234605616436508552})[requestHeaderBytes:])
	if want := fields(t, frames["hello_resume"][requestHeaderBytes:]); !reflect.DeepEqual(hello[5], want[5]) || !reflect.DeepEqual(hello[6], want[6]) {
		t.Errorf("hello: %v, want %v", hello, want)
	}
}

func TestRepliesAreThoseOfTheProtocolsPage(t *testing.T) {
	frames := golden(t)
	body := func(name string) []byte {
		t.Helper()
		frame := frames[name]
		if frame == nil {
			t.Fatalf("PROTOCOL.md has no %s", name)
		}
		h, ok := decodeReplyHeader(frame)
		if !ok || h.length != len(frame)-replyHeaderBytes {
			t.Fatalf("%s: %+v", name, h)
		}
		return frame[replyHeaderBytes:]
	}
	check := func(name string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	h, ok := decodeHello(body("hello_reply"))
	check("hello_reply", ok, true)
	check("hello_reply", h.limits, Limits{FrameBytesMax: 64 << 20, ValueBytesMax: 16 << 20, WindowBytesMax: 4 << 20})
	check("hello_reply", []uint64{h.run, h.random, uint64(h.storeID[15])}, []uint64{7, 1234605616436508552, 15})
	changed, _ := decodeHello(append(body("hello_changed_reply"), 0x38, 1))
	check("hello_changed_reply", changed.storeChanged, true)
	r, created, _ := decodeWriteReply(body("create_chain_reply"))
	check("create_chain_reply", created, true)
	check("create_chain_reply", r, WriteResult{Sequence: 1001, Level: LevelDurable})
	r, _, _ = decodeWriteReply(body("rollback_reply"))
	check("rollback_reply", r, WriteResult{Blocks: 6, States: 6, Metadata: 1, Lowered: 1})
	chains, _ := decodeChains(body("chains_reply"))
	check("chains_reply", chains, []ChainInfo{{Name: "aux"}, {Name: "default", Height: 9, BlocksPrunedThrough: 1}})
	block, _ := decodeBlock(body("read_block_reply"))
	check("read_block_reply", string(block.Header), "h1")
	check("read_block_reply", len(block.Hash), 32)
	block, _ = decodeBlock(body("read_blocks_absent"))
	check("read_blocks_absent", block, Block{Height: 300, Absent: true})
	state, _ := decodeState(body("read_state_reply"))
	check("read_state_reply", state, State{Height: 1, Value: []byte("s1")})
	m, _ := decodeMetadata(body("get_metadata_many_item"))
	check("get_metadata_many_item", m, metadataReply{name: []byte("seen"), value: []byte{}, ofHeight: 1})
	e, _ := decodeError(body("io_error_reply"))
	check("io_error_reply", e.Text, "sync failed")
	height, _ := decodeUint(body("height_reply"), 1)
	check("height_reply", height, uint64(1))
	m, _ = decodeMetadata(body("get_metadata_parts_reply"))
	check("get_metadata_parts_reply", m, metadataReply{size: 8})
	usage, _ := decodeUint(body("usage_reply"), 1)
	check("usage_reply", usage, uint64(200<<20))
	epoch, ok := decodeClaim(body("claim_reply"))
	check("claim_reply", epoch, Epoch{Sequence: 1011, random: 1234605616436508552})
	check("claim_reply", ok, true)
	last, _ := decodeUint(body("present_reply"), 3)
	check("present_reply", last, uint64(1))
	e, _ = decodeError(body("present_conflict_reply"))
	check("present_conflict_reply", e, Error{Reason: ReasonClaimed, Text: `claimed by "node-b"`})
	status, _ := decodeStatus(body("status_reply"))
	check("status_reply", status, []StatusEntry{{Name: "run", Number: 7}, {Name: "version", Text: "0.1.0"}})
}

// No bytes of a daemon, or of what stands in for one, make a decoder fail otherwise than by saying so.
func FuzzDecode(f *testing.F) {
	for _, frame := range golden(f) {
		if len(frame) > replyHeaderBytes && frame[1]&replyBit != 0 {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < replyHeaderBytes {
			return
		}
		decodeReplyHeader(frame)
		body := frame[replyHeaderBytes:]
		decodeHello(body)
		decodeError(body)
		decodeWriteReply(body)
		decodeUint(body, 1)
		decodeChains(body)
		decodeStatus(body)
		decodeClaim(body)
		decodeState(body)
		block, ok := decodeBlock(body)
		if ok && len(block.Header)+len(block.Data)+len(block.Signature)+len(block.Hash) > len(body) {
			t.Error("parts beyond the body")
		}
		m, ok := decodeMetadata(body)
		if ok && len(m.name)+len(m.value) > len(body) {
			t.Error("parts beyond the body")
		}
	})
}

// What a request carries is found in it again by the decoder, whatever it is.
func FuzzEncode(f *testing.F) {
	f.Add("chain", "name", []byte("value"), uint64(1))
	f.Add("", "", []byte{}, uint64(1<<63))
	f.Fuzz(func(t *testing.T, chain, name string, value []byte, number uint64) {
		commit := &CommitRequest{
			ExpectedHeight: &number, RiseTo: number, DeleteStates: []uint64{number, 0}, DeleteBlocks: []uint64{number},
			Blocks: []Block{{Height: number, Header: value, Data: value, Hash: value}}, States: []State{{Height: number, Value: value}},
			Metadata: []Operation{Set(name, value), SetBound(name, value, number), Delete(name), Raise(name, number), DeleteRange(name, chain)},
		}
		frame := encodeCommit(nil, chain, commit)
		bare := len(frame)
		frame = setNumber(frame, frameCommit, bare, number)
		frame = setNumber(frame, frameCommit, bare, 7)
		all := fields(t, frame[requestHeaderBytes:])
		if len(all[10]) != 5 || len(all[6]) != 1 || len(all[7]) != 1 || len(all[12]) != 1 {
			t.Fatal(all)
		}
		block, err := hex.DecodeString(all[6][0])
		if err != nil {
			t.Fatal(err)
		}
		parts := fields(t, block)
		if want := hex.EncodeToString(value); len(value) > 0 && parts[2][0] != want || len(value) > 0 && parts[3][0] != want || parts[4] != nil {
			t.Fatal(parts)
		}
		for _, operation := range all[10] {
			b, err := hex.DecodeString(operation)
			if err != nil {
				t.Fatal(err)
			}
			fields(t, b)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "a": "b", "a\xff": "b", "\xff\xff": "", "a\x00": "a\x01"} {
		if got := prefixEnd(prefix); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestTheKeepHoldsWhatIsNotWrittenInOrder(t *testing.T) {
	var k keep
	var frames [][]byte
	for i := range 300 {
		frames = append(frames, []byte{byte(i)})
	}
	for i, number := range []uint64{1, 2, 4, 3, 5} {
		k.add(number, uint64(i), frames[i])
	}
	k.writtenThrough(2)
	for i := 6; i < 200; i++ {
		k.add(uint64(i), uint64(i), frames[i])
	}
	if back := k.add(2, 0, frames[0]); &back[0] != &frames[0][0] {
		t.Fatal("kept what is written")
	}
	lost := k.takeLost(4)
	for i, w := range lost {
		if w.number != uint64(5+i) {
			t.Fatal(i, w)
		}
	}
	want := func(writes int) {
		t.Helper()
		if n, bytes := k.size(); n != writes || bytes < writes {
			t.Fatal(n, bytes, writes)
		}
	}
	if len(lost) != 195 {
		t.Fatal(len(lost))
	}
	want(195)
	k.startRun()
	for i := range lost[:100] {
		k.addAgain(uint64(1000+i), &lost[i])
		want(195)
	}
	k.addAgain(2000, &lost[0]) // accepted twice: both are kept
	want(196)
	k.writtenThrough(1099)
	want(96)
	k.giveUp(&lost[100])
	want(95)
	k.writtenThrough(2000)
	want(94)
}
