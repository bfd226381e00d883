package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// The program works twice on one daemon: the first run has released its claim.
func TestCommitAndShow(t *testing.T) {
	daemon := cairntest.Start(t)
	for range 2 {
		if err := commit(context.Background(), daemon.Socket); err != nil {
			t.Fatal(err)
		}
		if err := show(context.Background(), daemon.Socket); err != nil {
			t.Fatal(err)
		}
	}
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: daemon.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	block, err := client.Chain("default").Block(context.Background(), 1, cairn.PartHeader)
	if err != nil || string(block.Header) != "header" {
		t.Fatalf("block 1 is %q, %v", block.Header, err)
	}
}

// What the README shows of Go is a part of this program.
func TestReadmeIsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```go\n")
	shown, _, _ = strings.Cut(shown, "```")
	if shown == "" || !strings.Contains(string(program), shown) {
		t.Fatalf("the README shows what main.go does not hold:\n%s", shown)
	}
}
