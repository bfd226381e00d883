// Command cairn-badger moves a node's Badger directory into a chain of cairn, and back.
//
//	cairn-badger inspect DIR          what an import would do; needs no daemon
//	cairn-badger import [flags] DIR   copy DIR into an empty chain, and compare
//	cairn-badger verify [flags] DIR   compare a chain with DIR, byte for byte
//	cairn-badger export [flags] DIR   copy a chain into DIR, which must not exist, and compare
//
// client/go/MIGRATING.md has the steps of a migration.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"cairn.invalid/client/go/cairn"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
	"cairn.invalid/client/go/cmd/cairn-badger/internal/migrate"
)

// Exit codes. Those that the tool cairn has too mean the same there.
const (
	exitDone        = 0
	exitFailed      = 1   // failed otherwise; the text says with what
	exitUsage       = 2   // the command line
	exitNoDaemon    = 4   // no daemon answers on the socket
	exitTarget      = 7   // the chain, or the directory to export to, may not be written
	exitDiffers     = 10  // the chain and the directory are not equal
	exitSource      = 65  // the directory cannot be imported as it is
	exitInterrupted = 130 // by a signal; an import goes on where it was when it is begun again
)

const usage = `usage:
  cairn-badger inspect [--generic] [--deep] [--in-place] DIR
  cairn-badger import  [--generic] [--dry-run] [--in-place] [--socket PATH] [--chain NAME] DIR
  cairn-badger verify  [--generic] [--in-place] [--socket PATH] [--chain NAME] DIR
  cairn-badger export  [--generic] [--light] [--socket PATH] [--chain NAME] DIR

DIR is a node's Badger directory, such as ~/.evm/data/evm-single. The node must be stopped.

  --generic      copy each key as a name, for a node on cairnds; without it blocks, states and metadata of an ev-node become
                 cairn's own, for a node on cairnstore
  --dry-run      look at DIR and at the chain, say what would be done, and write nothing
  --deep         read every block and check that each follows the one before
  --in-place     let Badger mend a DIR that was not closed, instead of a copy of it
  --light        export as a light node keeps it
  --socket PATH  the daemon's socket (default /run/cairn/cairnd.sock)
  --chain NAME   the chain (default "default"); import makes it

exit codes: 0 done, 1 failed, 2 usage, 4 no daemon answers, 7 the chain or the directory may not be written, 10 they differ,
65 DIR cannot be imported as it is, 130 interrupted. An import that was interrupted or killed goes on where it was.
`

// memoryBytes is what the Go heap is kept to where blocks are large: about eight of the largest that ev-node makes, 120 MiB.
const memoryBytes = 1 << 30

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBytes)
	}
	ctx, stop := signal.NotifyContext(cairn.Started(context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

var errNoDaemon = errors.New("no daemon")

// options are what the command line says.
type options struct {
	generic, dryRun, deep, inPlace, light bool
	socket, chain                         string
	dir                                   string
	out, log                              io.Writer
}

func run(ctx context.Context, arguments []string, out, log io.Writer) int {
	commands := map[string]struct {
		flags string
		run   func(context.Context, *options) error
	}{
		"inspect": {"generic deep in-place", inspect},
		"import":  {"generic dry-run in-place socket chain", importDir},
		"verify":  {"generic in-place socket chain", verify},
		"export":  {"generic light socket chain", export},
	}
	if len(arguments) == 0 {
		fmt.Fprint(log, usage)
		return exitUsage
	}
	switch arguments[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usage)
		return exitDone
	}
	command, found := commands[arguments[0]]
	if !found {
		fmt.Fprintf(log, "cairn-badger: there is no command %q\n%s", arguments[0], usage)
		return exitUsage
	}
	options := &options{out: out, log: log}
	if err := options.parse(arguments[0], command.flags, arguments[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			return exitDone
		}
		fmt.Fprintf(log, "cairn-badger: %v\n%s", err, usage)
		return exitUsage
	}
	err := command.run(ctx, options)
	if err != nil {
		fmt.Fprintln(log, "cairn-badger:", err)
	}
	return exitCode(ctx, err)
}

// parse reads the flags that a command takes, and the directory.
func (o *options) parse(command, takes string, arguments []string) error {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	for _, name := range strings.Fields(takes) {
		switch name {
		case "socket":
			set.StringVar(&o.socket, name, cairn.DefaultSocket, "")
		case "chain":
			set.StringVar(&o.chain, name, "default", "")
		default:
			set.BoolVar(map[string]*bool{"generic": &o.generic, "dry-run": &o.dryRun, "deep": &o.deep, "in-place": &o.inPlace,
				"light": &o.light}[name], name, false, "")
		}
	}
	if err := set.Parse(arguments); err != nil {
		return err
	}
	if set.NArg() != 1 {
		return fmt.Errorf("%s takes one directory, not %d arguments: flags come before it", command, set.NArg())
	}
	o.dir = set.Arg(0)
	return nil
}

func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, migrate.ErrSource):
		return exitSource
	case errors.Is(err, errNoDaemon):
		return exitNoDaemon
	case errors.Is(err, migrate.ErrTarget), errors.Is(err, cairn.ErrConflict):
		return exitTarget
	case errors.Is(err, migrate.ErrDiffers):
		return exitDiffers
	}
	return exitFailed
}

// meterInterval lies between two lines that tell the progress.
var meterInterval = 5 * time.Second

// meter tells the progress on standard error.
func (o *options) meter() *migrate.Meter {
	return &migrate.Meter{To: o.log, Interval: meterInterval}
}

func (o *options) say(format string, arguments ...any) {
	fmt.Fprintf(o.log, "cairn-badger: "+format+"\n", arguments...)
}

// survey opens the directory and looks at its keys.
func (o *options) survey(ctx context.Context) (*migrate.Source, *migrate.Survey, error) {
	source, err := migrate.OpenSource(ctx, o.dir, o.inPlace, o.say)
	if err != nil {
		return nil, nil, err
	}
	survey, err := migrate.TakeSurvey(ctx, source, o.meter())
	if err != nil {
		return nil, nil, errors.Join(err, source.Close())
	}
	return source, survey, nil
}

// connect opens a client, and closes it behind what is done with it.
func (o *options) connect(ctx context.Context, do func(*cairn.Client) error) error {
	client, err := cairn.Open(ctx, cairn.Options{Socket: o.socket, Name: migrate.WriterName})
	if err != nil {
		return fmt.Errorf("%w: %w", errNoDaemon, err)
	}
	return errors.Join(do(client), client.Close())
}

func importDir(ctx context.Context, o *options) (err error) {
	source, survey, err := o.survey(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	survey.Print(o.out)
	if err := survey.Refuses(o.generic); err != nil {
		return err
	}
	return o.connect(ctx, func(client *cairn.Client) error {
		importer := migrate.Importer{Client: client, Chain: o.chain, Source: source, Survey: survey, Generic: o.generic,
			Meter: o.meter(), Say: o.say}
		if o.dryRun {
			goesOn, err := importer.Check(ctx)
			if err == nil && goesOn {
				fmt.Fprintf(o.out, "the chain %s: an import would go on\n", o.chain)
			} else if err == nil {
				fmt.Fprintf(o.out, "the chain %s: an import may begin\n", o.chain)
			}
			return err
		}
		checked, err := importer.Run(ctx)
		if err == nil {
			fmt.Fprintf(o.out, "imported into the chain %s, and equal: %s\na node opens it by %s\n", o.chain, checked, store(o.generic))
		}
		return err
	})
}

// store is the package by which a node finds what was imported; by the other one it finds an empty store.
func store(generic bool) string {
	if generic {
		return "cairnds"
	}
	return "cairnstore"
}

func verify(ctx context.Context, o *options) (err error) {
	source, survey, err := o.survey(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := survey.Refuses(o.generic); err != nil {
		return err
	}
	return o.connect(ctx, func(client *cairn.Client) error {
		chain := client.Chain(o.chain)
		if err := migrate.RefuseUnfinished(ctx, chain); err != nil {
			return err
		}
		verifier := migrate.Verifier{Chain: chain, Source: source, Survey: survey, Generic: o.generic, Meter: o.meter()}
		checked, err := verifier.Run(ctx)
		if err == nil {
			fmt.Fprintf(o.out, "the chain %s and %s are equal: %s\n", o.chain, o.dir, checked)
		}
		return err
	})
}

func export(ctx context.Context, o *options) error {
	return o.connect(ctx, func(client *cairn.Client) error {
		exporter := migrate.Exporter{Client: client, Chain: o.chain, Dir: o.dir, Layout: evnode.Full, Generic: o.generic,
			Meter: o.meter(), Say: o.say}
		if o.light {
			exporter.Layout = evnode.Light
		}
		checked, err := exporter.Run(ctx)
		if err == nil {
			fmt.Fprintf(o.out, "exported into %s, and equal: %s\n", o.dir, checked)
		}
		return err
	})
}

func inspect(ctx context.Context, o *options) (err error) {
	source, survey, err := o.survey(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	survey.Print(o.out)
	if err := survey.Refuses(o.generic); err != nil {
		return err
	}
	if o.deep && !o.generic {
		checked, err := migrate.CheckBlocks(ctx, source, survey, o.meter())
		if err != nil {
			return err
		}
		fmt.Fprintln(o.out, checked)
	}
	return nil
}
