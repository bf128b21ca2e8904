// Command tocsin brings the events of a platform to the people who asked for
// them. Each subcommand has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9/logging"
)

// Exit codes of the contract.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	logging.Disable() // go-redis writes to stderr by itself; every error reaches us, and is logged, anyway
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// cli is the command line. Its structure makes flags, variables and --help.
type cli struct {
	Dev     devCmd     `cmd:"" help:"Run everything in this process, with local far ends to look at in the browser."`
	Worker  workerCmd  `cmd:"" help:"Run a member of the fleet: route events and deliver them."`
	Web     webCmd     `cmd:"" help:"Answer the settings pages, the HTTP API, and the links in mails."`
	Publish publishCmd `cmd:"" help:"Publish one event."`
	Events  eventsCmd  `cmd:"" help:"Look at published events, and route them again."`
	Dead    deadCmd    `cmd:"" help:"Look at dead letters, replay and discard them."`
	Replays replaysCmd `cmd:"" help:"Look at replays of dead letters and events; run, pause and cancel them."`
	Top     topCmd     `cmd:"" help:"Show the fleet as it is: processes, rates, latency, and what waits."`
	Pause   pauseCmd   `cmd:"" help:"Pause a channel in the whole fleet: what it would deliver waits."`
	Resume  resumeCmd  `cmd:"" help:"Let a paused channel deliver again."`
	Pauses  pausesCmd  `cmd:"" help:"List the channels that are paused, by whom and why."`
	Ledger  ledgerCmd  `cmd:"" help:"Tell what became of events and deliveries, and prove that none was lost."`
	Audit   auditCmd   `cmd:"" help:"List who did what: in the ops console, over the HTTP API and by commands."`
	Seed    seedCmd    `cmd:"" help:"Save users, their channels and preferences, and accounts from a JSON file."`
	Backup  backupCmd  `cmd:"" help:"Save all users, their channels and preferences, and accounts to a file."`
	Restore restoreCmd `cmd:"" help:"Put back what backup has saved."`
	Secrets secretsCmd `cmd:"" help:"Change the key that saved credentials are encrypted with."`
	Setup   setupCmd   `cmd:"" help:"Create the streams, and add to older ones what this version needs."`
	Doctor  doctorCmd  `cmd:"" help:"Check configuration and every dependency, and say what to do."`
	Bench   benchCmd   `cmd:"" help:"Measure speed, cost and isolation, and count what arrives."`

	Completion completionCmd `cmd:"" help:"Print what makes the shell complete commands, flags, event types and channels."`
	Complete   completeCmd   `cmd:"" hidden:""`

	Version kong.VersionFlag `help:"Print the version."`
}

// run is main without the process: tests drive it as the shell does.
func run(ctx context.Context, args []string, std stdio) int {
	exited, code := false, exitDone
	commands := newCLI()
	parser, err := newParser(commands,
		kong.Writers(std.out, std.err),
		kong.Exit(func(c int) { exited, code = true, c }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Summary: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintf(std.err, "tocsin: %v\n", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	switch {
	case exited:
		return code
	case err != nil:
		fmt.Fprintf(std.err, "tocsin: %s\nTry 'tocsin --help', or --help after a command.\n", printableLines(err.Error()))
		return exitUsage
	}
	return exitCode(command.Run(), std.err)
}

// newParser reads command lines into commands.
func newParser(commands *cli, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(commands, append([]kong.Option{
		kong.Name("tocsin"),
		kong.Description("Tocsin carries every event of a platform to everyone who asked for it: by email, iOS push, HipChat and webhook."),
		kong.Vars{"version": version(), "log_format": "json"},
	}, options...)...)
}

// misuse is an error of the person who typed the command.
type misuse struct{ error }

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "tocsin: %s\n", printableLines(err.Error()))
	if _, ok := errors.AsType[misuse](err); ok {
		return exitUsage
	}
	return exitFailed
}

func newCLI() *cli {
	c := &cli{}
	c.Worker.offer = newOffer()
	c.Web.offer = newOffer()
	c.Doctor.offer = newOffer()
	c.Events.Again.offer = newOffer()
	return c
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
