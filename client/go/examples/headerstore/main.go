// Command headerstore keeps headers in go-header's own store, as celestia-node does, and that store on a chain of cairn.
//
//	headerstore -socket ./cairnd.sock
//
// Each run appends a hundred headers to those of the run before, and reads some back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairnds"
	"github.com/celestiaorg/go-header"
	"github.com/celestiaorg/go-header/store"
)

func main() {
	socket := flag.String("socket", "/run/cairn/cairnd.sock", "socket of cairnd")
	chain := flag.String("chain", "headers", "chain in cairnd")
	flag.Parse()
	if err := run(context.Background(), *socket, *chain, 100); err != nil {
		fmt.Fprintln(os.Stderr, "headerstore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, socket, chain string, count int) (err error) {
	client, err := cairn.Open(ctx, cairn.Options{Socket: socket, Name: "headerstore"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	database, err := cairnds.Open(ctx, client, chain, cairnds.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()

	headers, err := store.NewStore[*exampleHeader](database)
	if err != nil {
		return err
	}
	if err := headers.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, headers.Stop(ctx)) }()
	return appendAndRead(ctx, headers, count)
}

// appendAndRead appends headers behind the head, waits until the database has them, and reads the last one by height and by hash.
func appendAndRead(ctx context.Context, headers *store.Store[*exampleHeader], count int) error {
	last, err := headers.Head(ctx)
	if errors.Is(err, header.ErrEmptyStore) {
		last = &exampleHeader{Chain: "example"}
	} else if err != nil {
		return err
	}
	fmt.Println("the head is at", last.Number)
	for range count {
		last = &exampleHeader{Chain: "example", Number: last.Number + 1, Previous: last.Hash(), Made: time.Now().UTC()}
		if err := headers.Append(ctx, last); err != nil {
			return err
		}
	}
	if err := headers.Sync(ctx); err != nil {
		return err
	}
	byHeight, err := headers.GetByHeight(ctx, last.Number)
	if err != nil {
		return err
	}
	byHash, err := headers.Get(ctx, last.Hash())
	if err != nil {
		return err
	}
	if byHeight.Number != byHash.Number {
		return fmt.Errorf("header %d by height, but %d by hash", byHeight.Number, byHash.Number)
	}
	fmt.Println("the head is at", byHash.Number)
	return nil
}
