package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is the results of one call, with what they depend on.
type Report struct {
	Version string   `json:"version"` // of Tocsin
	Machine Machine  `json:"machine"`
	Command string   `json:"command"`
	Time    string   `json:"time"`
	Results []Result `json:"results"`
}

// Write writes the report as a table: the median of the runs, and the least and
// the greatest of them.
func (r Report) Write(out io.Writer) error {
	fmt.Fprintf(out, "%s\ntocsin %s, %s\n%s\n", r.Machine, r.Version, r.Time, r.Command)
	for _, result := range r.Results {
		fmt.Fprintf(out, "\n%s: %s\n", result.Scenario, result.About)
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, name := range result.figures() {
			values := result.Values[name]
			fmt.Fprintf(table, "  %s\t%s\t%s\t(%s to %s, %d runs)\t%s\n", name, unitOf(name).Text, short(median(values)),
				short(slices.Min(values)), short(slices.Max(values)), len(values), result.verdict(name))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// verdict compares a figure with its target.
func (r Result) verdict(name string) string {
	target, has := r.Targets[name]
	if !has {
		return ""
	}
	value, bound := median(r.Values[name]), "at most "
	reached := value <= target
	if unitOf(name).Higher {
		bound, reached = "at least ", value >= target
	}
	if reached {
		return "ok: " + bound + short(target)
	}
	return "MISSED: " + bound + short(target)
}

func unitOf(figure string) unit {
	if u, ok := units[figure]; ok {
		return u
	}
	kind, _, _ := strings.Cut(figure, " ")
	return units[kind]
}

// short writes a number with three digits or all before the point.
func short(value float64) string {
	switch {
	case value >= 100 || value == float64(int(value)):
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 10:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 3, 64)
}
