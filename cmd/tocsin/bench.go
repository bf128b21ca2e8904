package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/bench"
	"tocsin/bench/sink"
)

type benchCmd struct {
	Ls   benchLsCmd   `cmd:"" help:"List the scenarios."`
	Run  benchRunCmd  `cmd:"" help:"Measure, with a nats-server, a redis-server, a worker and far ends of its own on free ports."`
	Sink benchSinkCmd `cmd:"" hidden:""`
	NATS benchNATSCmd `cmd:"" hidden:"" name:"nats"`
}

type benchLsCmd struct {
	Output outputFlags `embed:""`
}

func (c *benchLsCmd) Run(std stdio) error {
	type row struct {
		Name    string             `json:"name"`
		About   string             `json:"about"`
		Targets map[string]float64 `json:"targets"`
	}
	var rows []row
	for _, s := range bench.Scenarios() {
		rows = append(rows, row{s.Name, s.About, s.Targets})
	}
	if c.Output.json() {
		return json.NewEncoder(std.out).Encode(rows)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\n", r.Name, r.About)
	}
	return table.Flush()
}

type benchRunCmd struct {
	Output    outputFlags `embed:""`
	Scenarios []string    `arg:"" optional:"" name:"scenario" help:"What to measure; see 'tocsin bench ls'. Default: what takes seconds; with --long everything."`
	Runs      int         `name:"runs" default:"3" help:"Runs of each scenario (${default})."`
	Long      bool        `name:"long" help:"With the full numbers of each scenario, which take up to an hour."`
	Tiny      bool        `name:"tiny" hidden:""`
	Compare   string      `name:"compare" type:"existingfile" placeholder:"FILE" help:"Say what has changed since an earlier result, saved with -o json."`
	Profile   string      `name:"profile" type:"existingdir" placeholder:"FOLDER" help:"Write CPU profiles of worker and nats-server there, for 'go tool pprof'."`
}

func (c *benchRunCmd) Run(ctx context.Context, std stdio) error {
	scenarios, err := c.chosen()
	if err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	before, err := c.before()
	if err != nil {
		return err
	}
	report := bench.Report{
		Version: version(), Machine: bench.ThisMachine(), Time: time.Now().UTC().Format(time.RFC3339),
		Command: strings.Join(append([]string{"tocsin"}, os.Args[1:]...), " "),
	}
	options := bench.Options{
		Binary: binary, Runs: max(c.Runs, 1), Long: c.Long, Tiny: c.Tiny, Profile: c.Profile, Log: zap.NewNop(),
	}
	var failed error
	for _, s := range scenarios {
		result, err := bench.Measure(ctx, s, options, func(news string) { fmt.Fprintln(std.err, news) })
		if err != nil { // no figure for this one; the others stand
			failed = errors.Join(failed, err)
			continue
		}
		report.Results = append(report.Results, result)
	}
	return errors.Join(c.write(std, report, before), failed)
}

// write writes the report to out, and what has changed to err.
func (c *benchRunCmd) write(std stdio, report bench.Report, before *bench.Report) error {
	write := report.Write
	if c.Output.json() {
		write = func(out io.Writer) error { return json.NewEncoder(out).Encode(report) }
	}
	err := write(std.out)
	if err == nil && before != nil {
		err = bench.Compare(std.err, *before, report)
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

func (c *benchRunCmd) chosen() ([]bench.Scenario, error) {
	all := bench.Scenarios()
	if len(c.Scenarios) == 0 {
		return slices.DeleteFunc(all, func(s bench.Scenario) bool { return s.Slow && !c.Long || !s.Possible() }), nil
	}
	var chosen []bench.Scenario
	for _, name := range c.Scenarios {
		known := false
		for _, s := range all {
			if s.Name == name {
				chosen, known = append(chosen, s), true
			}
		}
		if !known {
			return nil, misuse{fmt.Errorf("there is no scenario %q; see 'tocsin bench ls'", name)}
		}
	}
	return chosen, nil
}

// before reads the result to compare with, if there is one.
func (c *benchRunCmd) before() (*bench.Report, error) {
	if c.Compare == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Compare)
	var report bench.Report
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		return nil, fmt.Errorf("read the result to compare with: %w", err)
	}
	return &report, nil
}

// benchSinkCmd is the far ends of a benchmark, in a process of their own.
type benchSinkCmd struct {
	Dir string `arg:"" type:"path"`
}

func (c *benchSinkCmd) Run(ctx context.Context, std stdio) error {
	return sink.Run(ctx, c.Dir, std.out)
}
