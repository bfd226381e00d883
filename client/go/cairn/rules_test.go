package cairn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

func TestContexts(t *testing.T) {
	d := cairntest.Start(t)
	c := open(t, d)
	ch := c.Chain("default")
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for name, ctx := range map[string]context.Context{"nil": nil, "over": over} {
		must(t, ch.Set(ctx, "x", []byte(name)))
		if v, err := ch.Get(ctx, "x"); err != nil || string(v) != name {
			t.Fatal(name, v, err)
		}
		_, err := ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 1})
		must(t, err)
		n := 0
		for _, err := range ch.List(ctx, cairn.ListRequest{}) {
			must(t, err)
			n++
		}
		if n != 1 {
			t.Fatal(name, n)
		}
		must(t, c.Barrier(ctx, cairn.LevelWritten))
	}

	// With the daemon away nothing is sent: each call is ended by its context, and nothing of it is applied.
	d.Kill()
	for name, call := range map[string]func(ctx context.Context) error{
		"get":     func(ctx context.Context) error { _, err := ch.Get(ctx, "x"); return err },
		"set":     func(ctx context.Context) error { return ch.Set(ctx, "y", nil) },
		"commit":  func(ctx context.Context) error { _, err := ch.Commit(ctx, &cairn.CommitRequest{RiseTo: 9}); return err },
		"barrier": func(ctx context.Context) error { return c.Barrier(ctx, cairn.LevelWritten) },
		"list": func(ctx context.Context) error {
			for _, err := range ch.List(ctx, cairn.ListRequest{}) {
				return err
			}
			return nil
		},
	} {
		if err := call(cairntest.EndingContext()); !errors.Is(err, context.Canceled) || errors.Is(err, cairn.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- ch.Set(context.Background(), "z", nil) }()
	d.Restart()
	must(t, <-done)
	if _, err := ch.Get(nil, "y"); !errors.Is(err, cairn.ErrNotFound) {
		t.Fatal(err)
	}
	if h, err := ch.Height(nil); err != nil || h != 1 {
		t.Fatal(h, err)
	}
}

// A daemon that is stopped as an operator does it hands over to the next one: no call fails.
func TestAStoppedDaemonIsNoFailure(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	ch := open(t, d).Chain("default")
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := ch.Set(ctx, fmt.Sprint(i%100), []byte("v")); err != nil {
				done <- err
				return
			}
			if _, err := ch.Get(ctx, fmt.Sprint(i%100)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 3 {
		time.Sleep(50 * time.Millisecond)
		d.Stop()
		d.Restart()
	}
	close(stop)
	// A write that was on its way when the connection ended is unknown without a claim; stopping answers all it read.
	if err := <-done; err != nil && !errors.Is(err, cairn.ErrUnknown) {
		t.Fatal(err)
	}
}

func TestLargeValues(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	c := open(t, d)
	ch := c.Chain("default")
	limits := c.Limits()
	value := bytes.Repeat([]byte("0123456789abcdef"), 120<<20/16)
	small := value[:limits.ValueBytesMax+1]
	if err := ch.Set(ctx, "x", small); !errors.Is(err, cairn.ErrTooLarge) {
		t.Fatal(err)
	}
	put := func(value []byte) error {
		_, err := ch.Commit(ctx, &cairn.CommitRequest{Carry: true, Metadata: []cairn.Operation{cairn.Set("x", value)}})
		return err
	}
	check := func(value []byte) {
		t.Helper()
		got, err := ch.Get(ctx, "x")
		if err != nil || !bytes.Equal(got, value) {
			t.Fatal(len(got), err)
		}
		n := 0
		for m, err := range ch.List(ctx, cairn.ListRequest{Parts: cairn.MetadataValue | cairn.MetadataBinding}) {
			if err != nil || !bytes.Equal(m.Value, value) {
				t.Fatal(len(m.Value), err)
			}
			n++
		}
		if n != 1 {
			t.Fatal(n)
		}
	}
	must(t, put(small))
	check(small)
	for _, n := range []int{64 << 20, 120 << 20} {
		err := put(value[:n])
		if !errors.Is(err, cairn.ErrTooLarge) || !strings.Contains(err.Error(), "frame-bytes-max") || !strings.Contains(err.Error(), "67108864") {
			t.Fatal(n, err)
		}
	}
	if err := ch.Set(ctx, "x", value); !errors.Is(err, cairn.ErrTooLarge) {
		t.Fatal(err)
	}
	d.Restart("--frame-bytes-max", "256MiB", "--requests-bytes-max", "1GiB")
	must(t, c.Barrier(ctx, cairn.LevelWritten))
	for _, n := range []int{64 << 20, 120 << 20} {
		must(t, put(value[:n]))
		check(value[:n])
	}
}

// fill makes names whose list does not fit into a stream's window.
func fill(tb testing.TB, ch *cairn.Chain) (names int) {
	tb.Helper()
	value := make([]byte, 4000)
	for i := 0; i < 1000; i += 100 {
		var operations []cairn.Operation
		for j := range 100 {
			operations = append(operations, cairn.Set(fmt.Sprintf("name %04d", i+j), value))
		}
		_, err := ch.Write(context.Background(), operations, cairn.LevelWritten)
		must(tb, err)
	}
	return 1000
}

var everything = cairn.ListRequest{Parts: cairn.MetadataValue | cairn.MetadataBinding}

func TestAListIsOfOneInstantWhileItsNamesAreDeleted(t *testing.T) {
	ctx := context.Background()
	ch := open(t, cairntest.Start(t)).Chain("default")
	names := fill(t, ch)
	n := 0
	for m, err := range ch.List(ctx, everything) {
		must(t, err)
		must(t, ch.Delete(ctx, m.Name))
		n++
	}
	if n != names {
		t.Fatal(n)
	}
	for m, err := range ch.List(ctx, everything) {
		t.Fatal(m.Name, err)
	}
}

// Lists that are left standing, closed, broken off or forgotten hold up nobody.
func TestListsThatAreLeftStandingHoldUpNobody(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	names := fill(t, ch)
	for range 50 {
		cursor := ch.OpenList(ctx, everything)
		if _, ok := cursor.Next(); !ok {
			t.Fatal(cursor.Err())
		}
	}
	var standing []*cairn.MetadataCursor
	for range 50 {
		cursor := ch.OpenList(ctx, everything)
		if _, ok := cursor.Next(); !ok {
			t.Fatal(cursor.Err())
		}
		standing = append(standing, cursor)
		for range ch.List(ctx, everything) {
			break
		}
	}
	must(t, ch.Set(ctx, "a", []byte("1")))
	if v, err := ch.Get(ctx, "a"); err != nil || string(v) != "1" {
		t.Fatal(v, err)
	}
	for i, cursor := range standing {
		n := 1
		for {
			if _, ok := cursor.Next(); !ok {
				break
			}
			n++
		}
		if n != names || cursor.Err() != nil {
			t.Fatal(i, n, cursor.Err())
		}
		cursor.Close()
		cursor.Close()
	}
	// The forgotten ones end when they are collected.
	for i := 0; c.Stats().OpenStreams > 0; i++ {
		if i == 1000 {
			t.Fatalf("%d streams are open", c.Stats().OpenStreams)
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
}

func TestAListEndsWithItsContextAndWithClose(t *testing.T) {
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	fill(t, ch)
	ctx, cancel := context.WithCancel(context.Background())
	cursor := ch.OpenList(ctx, everything)
	if _, ok := cursor.Next(); !ok {
		t.Fatal(cursor.Err())
	}
	cancel()
	for {
		if _, ok := cursor.Next(); !ok {
			break
		}
	}
	if !errors.Is(cursor.Err(), context.Canceled) {
		t.Fatal(cursor.Err())
	}
	cursor = ch.OpenList(nil, everything)
	cursor.Next()
	done := make(chan int)
	go func() {
		n := 0
		for {
			if _, ok := cursor.Next(); !ok {
				done <- n
				return
			}
			n++
		}
	}()
	cursor.Close()
	<-done
	if cursor.Err() != nil {
		t.Fatal(cursor.Err())
	}
}

func TestAListWhoseConnectionIsLost(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	ch := open(t, d).Chain("default")
	names := fill(t, ch)
	begun, notBegun := ch.OpenList(ctx, everything), ch.OpenList(ctx, everything)
	if _, ok := begun.Next(); !ok {
		t.Fatal(begun.Err())
	}
	d.Restart()
	for {
		if _, ok := begun.Next(); !ok {
			break
		}
	}
	if !errors.Is(begun.Err(), cairn.ErrBusy) {
		t.Fatal(begun.Err())
	}
	n := 0
	for {
		if _, ok := notBegun.Next(); !ok {
			break
		}
		n++
	}
	if n != names || notBegun.Err() != nil {
		t.Fatal(n, notBegun.Err())
	}
}

// More lists than the daemon takes of a connection, left standing for good: the oldest end after a while, and new ones go on.
func TestMoreListsThanTheDaemonTakes(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	names := fill(t, ch)
	var standing []*cairn.MetadataCursor
	for range 199 {
		cursor := ch.OpenList(ctx, everything)
		if _, ok := cursor.Next(); !ok {
			t.Fatal(cursor.Err())
		}
		standing = append(standing, cursor)
	}
	n := 0
	for _, err := range ch.List(ctx, everything) {
		must(t, err)
		n++
	}
	if n != names {
		t.Fatal(n)
	}
	for _, cursor := range []*cairn.MetadataCursor{standing[0], standing[198]} {
		n := 1
		for {
			if _, ok := cursor.Next(); !ok {
				break
			}
			n++
		}
		if evicted := cursor == standing[0]; evicted != errors.Is(cursor.Err(), cairn.ErrBusy) || evicted != (n < names) {
			t.Fatal(n, cursor.Err())
		}
	}
	for _, cursor := range standing {
		cursor.Close()
	}
}

// More goroutines than the daemon takes streams of a connection read lists at the same time: they wait for each other.
func TestMoreListsAtATimeThanTheDaemonTakes(t *testing.T) {
	ctx := context.Background()
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	var operations []cairn.Operation
	for i := range 100 {
		operations = append(operations, cairn.Set(fmt.Sprintf("name %04d", i), nil))
	}
	_, err := ch.Write(ctx, operations, cairn.LevelWritten)
	must(t, err)
	var group sync.WaitGroup
	for range 400 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 5 {
				n := 0
				for _, err := range ch.List(ctx, cairn.ListRequest{}) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n != len(operations) {
					t.Error(n)
				}
			}
		}()
	}
	group.Wait()
	if n := c.Stats().OpenStreams; n != 0 {
		t.Error(n, "streams are open")
	}
}

// One who waits for room for a stream waits no longer than its context.
func TestAListThatWaitsEndsWithItsContext(t *testing.T) {
	c := open(t, cairntest.Start(t))
	ch := c.Chain("default")
	fill(t, ch)
	for range 100 {
		cursor := ch.OpenList(nil, everything)
		defer cursor.Close()
		if _, ok := cursor.Next(); !ok {
			t.Fatal(cursor.Err())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	cursor := ch.OpenList(ctx, everything)
	if _, ok := cursor.Next(); !ok && !errors.Is(cursor.Err(), context.DeadlineExceeded) { // ok: there was room in time
		t.Error(cursor.Err())
	}
}

// A copy of the store that is put in its place is another store: nothing is sent to it.
func TestAnotherStoreIsNotWritten(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t, "--flush-delay", "10s")
	c := open(t, d)
	ch := c.Chain("default")
	claim, err := ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	d.Stop()
	restored := d.CopyData()
	d.Restart()
	must(t, ch.Set(ctx, "x", []byte("kept")))
	d.Kill()
	restored.Socket = d.Socket
	restored.Restart()
	if err := ch.Set(ctx, "y", nil); !errors.Is(err, cairn.ErrStoreChanged) {
		t.Fatal(err)
	}
	if _, err := ch.Get(ctx, "x"); !errors.Is(err, cairn.ErrStoreChanged) {
		t.Fatal(err)
	}
	lost(t, claim)
	if err := c.Close(); !errors.Is(err, cairn.ErrStoreChanged) && !errors.Is(err, cairn.ErrUnknown) {
		t.Fatal(err)
	}
	other := open(t, restored)
	if _, err := other.Chain("default").Get(ctx, "x"); !errors.Is(err, cairn.ErrNotFound) {
		t.Fatal(err)
	}
}

// Without a claim a commit is never sent again: its caller is told that it is unknown, and reading tells.
func TestACommitWithoutAClaimIsNotSentAgain(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	ch := open(t, d).Chain("default")
	unknown := 0
	for height := uint64(1); height < 2000 && unknown < 2; height++ {
		killed := make(chan struct{})
		if height%20 == 0 {
			go func() {
				d.Restart()
				close(killed)
			}()
		} else {
			close(killed)
		}
		expected := height - 1
		for {
			_, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &expected, RiseTo: height})
			if err == nil {
				break
			}
			if !errors.Is(err, cairn.ErrUnknown) {
				t.Fatal(height, err)
			}
			unknown++
			if h, err := ch.Height(ctx); err != nil || (h != height && h != expected) {
				t.Fatal(h, err)
			} else if h == height {
				break
			}
		}
		<-killed
	}
	t.Logf("%d commits were unknown", unknown)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := cairn.Open(ctx, cairn.Options{Socket: "/nonexistent/socket"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "/nonexistent/socket") {
		t.Fatal(err)
	}
}
