package cairn_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// BenchmarkEcho is what a round trip costs without a daemon: a goroutine that sends back what it reads.
func BenchmarkEcho(b *testing.B) {
	path := filepath.Join(cairntest.Start(b).Directory, "echo")
	listener, err := net.Listen("unix", path)
	must(b, err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
		}
	}()
	conn, err := net.Dial("unix", path)
	must(b, err)
	defer conn.Close()
	buffer := make([]byte, 64)
	for b.Loop() {
		if _, err := conn.Write(buffer); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPing is a bare round trip to the daemon, by the goroutine that asks.
func BenchmarkPing(b *testing.B) {
	conn, err := net.Dial("unix", cairntest.Start(b).Socket)
	must(b, err)
	defer conn.Close()
	hello := []byte{0xca, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	reply := make([]byte, 512)
	_, err = conn.Write(hello)
	must(b, err)
	_, err = conn.Read(reply)
	must(b, err)
	ping := []byte{0xca, 2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}
	for b.Loop() {
		if _, err := conn.Write(ping); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, reply[:32]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	must(b, ch.Set(ctx, "name", []byte("12345678")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Get(ctx, "name"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel64(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	must(b, ch.Set(ctx, "name", []byte("12345678")))
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := ch.Get(ctx, "name"); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkSet(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	value := []byte("12345678")
	b.ReportAllocs()
	for b.Loop() {
		if err := ch.Set(ctx, "name", value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetParallel64(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	value := []byte("12345678")
	var goroutines atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprintf("name %d", goroutines.Add(1))
		for pb.Next() {
			if err := ch.Set(ctx, name, value); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkCommitBlock20kB(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	data := make([]byte, 20_000)
	height := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		height++
		if _, err := ch.Commit(ctx, &cairn.CommitRequest{RiseTo: height,
			Blocks: []cairn.Block{{Height: height, Header: data[:200], Data: data, Signature: data[:64]}}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList10000(b *testing.B) {
	ctx := context.Background()
	ch := open(b, cairntest.Start(b)).Chain("default")
	value := make([]byte, 100)
	for i := 0; i < 10_000; i += 100 {
		var operations []cairn.Operation
		for j := range 100 {
			operations = append(operations, cairn.Set(fmt.Sprintf("name %06d", i+j), value))
		}
		_, err := ch.Write(ctx, operations, cairn.LevelWritten)
		must(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range ch.List(ctx, cairn.ListRequest{Parts: cairn.MetadataValue | cairn.MetadataBinding}) {
			must(b, err)
			n++
		}
		if n != 10_000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "entries/s")
}
