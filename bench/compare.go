package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Compare writes what has changed from one report to another. A figure has
// changed if no run of one report is within the range of the runs of the other:
// with three runs each, that happens by chance once in ten figures, with five
// once in a hundred. Another machine, or the same one under another load,
// changes everything; look at "bare", which no change of Tocsin's can move.
func Compare(out io.Writer, before, after Report) error {
	if before.Machine.CPU != after.Machine.CPU || before.Machine.Cores != after.Machine.Cores {
		fmt.Fprintf(out, "another machine: %s\n", before.Machine)
	}
	fmt.Fprintf(out, "from tocsin %s, %s\n", before.Version, before.Time)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, now := range after.Results {
		was := before.result(now.Scenario)
		for _, name := range now.figures() {
			if values := was.Values[name]; len(values) > 0 {
				fmt.Fprintf(table, "%s\t%s\t%s\t→ %s\t%s\n", now.Scenario, name,
					short(median(values)), short(median(now.Values[name])), change(name, values, now.Values[name]))
			}
		}
	}
	return table.Flush()
}

func (r Report) result(scenario string) Result {
	for _, result := range r.Results {
		if result.Scenario == scenario {
			return result
		}
	}
	return Result{}
}

// change says in words how a figure has changed.
func change(name string, before, after []float64) string {
	apart := slices.Max(before) < slices.Min(after) || slices.Max(after) < slices.Min(before)
	if !apart || median(before) == 0 {
		return "~ (within the spread)"
	}
	by := median(after)/median(before) - 1
	if by > 0 == unitOf(name).Higher {
		return fmt.Sprintf("%+.0f %% better", by*100)
	}
	return fmt.Sprintf("%+.0f %% WORSE", by*100)
}
