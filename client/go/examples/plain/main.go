// Command plain claims a chain of cairn, commits a block to it, and reads it back.
//
//	plain -socket ./cairnd.sock
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"cairn.invalid/client/go/cairn"
)

func main() {
	socket := flag.String("socket", cairn.DefaultSocket, "socket of cairnd")
	flag.Parse()
	if err := commit(context.Background(), *socket); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
	if err := show(context.Background(), *socket); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

// The README shows this function.
func commit(ctx context.Context, socket string) error {
	client, err := cairn.Open(ctx, cairn.Options{Socket: socket})
	if err != nil {
		return err
	}
	chain := client.Chain("default")
	claim, err := chain.Claim(ctx, cairn.ClaimOptions{}) // from here on nobody else writes
	if err != nil {
		return errors.Join(err, client.Close())
	}
	block := cairn.Block{Height: 1, Header: []byte("header")}
	_, err = chain.Commit(ctx, &cairn.CommitRequest{Blocks: []cairn.Block{block}, RiseTo: 1}) // durable when it returns
	return errors.Join(err, claim.Release(ctx), client.Close())
}

// show prints the chain's blocks, as anybody may who can open the socket. Reading needs no claim.
func show(ctx context.Context, socket string) error {
	client, err := cairn.Open(ctx, cairn.Options{Socket: socket})
	if err != nil {
		return err
	}
	chain := client.Chain("default")
	height, err := chain.Height(ctx)
	if err != nil {
		return errors.Join(err, client.Close())
	}
	for block, readErr := range chain.Blocks(ctx, 1, height, cairn.PartHeader|cairn.PartHash) {
		if err = readErr; err != nil {
			break
		}
		fmt.Printf("%d %x %s\n", block.Height, block.Hash, block.Header)
	}
	return errors.Join(err, client.Close())
}
