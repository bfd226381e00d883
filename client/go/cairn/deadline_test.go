package cairn

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// A write has its context's deadline, each attempt anew, and what is kept of it has none.
func TestWritesHaveTheirContextsDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	calls := map[string]*call{
		"write":    {kind: frameWriteMetadata, frame: encodeWriteMetadata(nil, "c", []Operation{Set("a", nil)}, LevelDefault)},
		"commit":   {kind: frameCommit, frame: encodeCommit(nil, "c", &CommitRequest{RiseTo: 1})},
		"prune":    {kind: framePrune, frame: encodePrune(nil, "c", &PruneRequest{BlocksThrough: 1})},
		"rollback": {kind: frameRollback, frame: encodeRollback(nil, "c", &RollbackRequest{To: 1})},
		"claim":    {kind: frameClaim, frame: encodeClaim(nil, "c", "w", false)},
		"release":  {kind: frameRelease, frame: encodeChainOnly(nil, frameRelease, "c")},
		"barrier":  {kind: frameBarrier, frame: encodeBarrier(nil, LevelDurable)},
	}
	for name, cl := range calls {
		before := bytes.Clone(cl.frame)
		for attempt := range 2 {
			cl.plain()
			if !bytes.Equal(cl.frame, before) {
				t.Fatalf("%s, attempt %d: %x is not %x", name, attempt, cl.frame, before)
			}
			cl.setDeadline(waitingFor(context.Background()))
			if !bytes.Equal(cl.frame, before) {
				t.Fatalf("%s has a deadline that its context has not", name)
			}
			cl.setDeadline(waitingFor(ctx))
			left, _ := decodeUint(cl.frame[requestHeaderBytes:], deadlineField(cl.kind))
			if cl.kind != frameBarrier && (left == 0 || left > uint64(time.Hour.Microseconds())) {
				t.Fatalf("%s has a deadline of %d us", name, left)
			}
			if len(cl.frame) > len(before)+frameMarginBytes {
				t.Fatalf("%s has grown by %d bytes", name, len(cl.frame)-len(before))
			}
		}
	}
}
