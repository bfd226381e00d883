package cairn

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// What stands in for a daemon answers the hello, and then with bytes that are no answer, or none of the kind, and goes: calls
// fail or wait, and nothing else happens.
func TestADaemonThatBreaksTheRules(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	directory, err := os.MkdirTemp("", "cairn-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(directory)
	listener, err := net.Listen("unix", filepath.Join(directory, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	frames := golden(t)
	hello := frames["hello_reply"]
	var answers [][]byte
	for name, frame := range frames {
		if len(frame) >= replyHeaderBytes && frame[1]&replyBit != 0 && name != "hello_reply" {
			answers = append(answers, frame)
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer := append([]byte(nil), answers[random.IntN(len(answers))]...)
			for range random.IntN(4) {
				answer[random.IntN(len(answer))] = byte(random.IntN(256))
			}
			id := random.IntN(2) == 0
			go func() {
				defer conn.Close()
				request := make([]byte, 4096)
				n, err := conn.Read(request)
				if err != nil || n < requestHeaderBytes {
					return
				}
				conn.Write(hello)
				if n, err = conn.Read(request); err != nil || n < requestHeaderBytes {
					return
				}
				if id { // of the right id
					copy(answer[8:16], request[8:16])
					answer[1] = request[1] | replyBit
				}
				conn.Write(answer)
			}()
		}
	}()
	c, err := Open(context.Background(), Options{Socket: listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ch := c.Chain("default")
	var group sync.WaitGroup
	for _, call := range []func() error{
		func() error { _, err := ch.Get(nil, "x"); return err },
		func() error { _, err := ch.Block(nil, 1, PartsAll); return err },
		func() error { return c.Barrier(nil, LevelDurable) },
		func() error { return ch.Set(nil, "x", []byte("1")) },
		func() error { _, err := ch.Commit(nil, &CommitRequest{RiseTo: 1}); return err },
		func() error {
			for _, err := range ch.List(nil, ListRequest{Parts: metadataPartsDefault}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		group.Add(1)
		go func() {
			defer group.Done()
			for err := error(nil); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrStoreChanged); {
				err = call()
			}
		}()
	}
	for c.Stats().Reconnects < 50 {
		time.Sleep(time.Millisecond)
	}
	c.closed.Store(true)
	close(c.stopping)
	<-c.ended
	group.Wait()
	if _, err := ch.Get(nil, "x"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
