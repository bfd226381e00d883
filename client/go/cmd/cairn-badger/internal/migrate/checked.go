package migrate

import "fmt"

// Checked counts what a check saw and found good.
type Checked struct {
	Blocks, States uint64
	NotIndexed     uint64 // blocks that the directory's hash index does not lead to
	Leftovers      uint64 // entries of that index that lead to no block with the hash
	Names          uint64
	RanOn          bool // the chain is above the directory's height: only blocks were compared
	// SHA-256 of all blocks and states, of the blocks alone if RanOn, and of all names, in their order; empty where they were
	// not compared.
	HeightsDigest, NamesDigest string
}

func (c *Checked) add(records []record) {
	for _, record := range records {
		if record.isState {
			c.States++
		}
		if record.isBlock {
			c.Blocks++
			if !record.isIndexed {
				c.NotIndexed++
			}
		}
	}
}

// String tells it for people.
func (c Checked) String() string {
	text := fmt.Sprintf("%d blocks, each following the one before; %d states", c.Blocks, c.States)
	digested := "blocks and states"
	switch {
	case c.RanOn:
		text = fmt.Sprintf("%d blocks, each following the one before", c.Blocks)
		digested = "blocks"
	case c.Blocks+c.States == 0:
		text = fmt.Sprintf("%d names", c.Names)
	case c.Names > 0:
		text += fmt.Sprintf("; %d names", c.Names)
	}
	if c.NotIndexed > 0 {
		text += fmt.Sprintf("\n%d blocks are not in the directory's hash index", c.NotIndexed)
	}
	if c.Leftovers > 0 {
		text += fmt.Sprintf("\n%d entries of the directory's hash index are left over from replaced blocks", c.Leftovers)
	}
	if c.RanOn {
		text += "\nthe chain has gone on: states and names were not compared"
	}
	if c.HeightsDigest != "" {
		text += "\n" + digested + ": SHA-256 " + c.HeightsDigest
	}
	if c.NamesDigest != "" {
		text += "\nnames: SHA-256 " + c.NamesDigest
	}
	return text
}
