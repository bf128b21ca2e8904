package ops

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"tocsin/fleet"
)

// plot is one picture: lines over the last hour, a value for each minute.
type plot struct {
	Title string
	Unit  string // what a value counts, for people
	Lines []line
	Top   string    // the value at the upper edge
	From  time.Time // the left edge
	Steps int
	Empty bool
}

// line is a channel in a plot.
type line struct {
	Label string
	Class string // of its colour
	Path  string // of SVG, within plotWidth and plotHeight
	Last  string // its newest value
	Most  string // its largest
}

// The plane of a plot, in units of its viewBox.
const (
	plotWidth  = 600
	plotHeight = 120
)

// plots are throughput, latency and backlog by channel.
func (c *Console) plots(h fleet.History) []plot {
	throughput := c.plot(h, "Delivered", "a second", perSecond, func(s fleet.Sample) float64 { return s.Rate.Delivered })
	latency := c.plot(h, "Latency p99", "to delivery", seconds, func(s fleet.Sample) float64 {
		if s.Rate.Delivered == 0 {
			return math.NaN()
		}
		return s.Rate.P99
	})
	backlog := c.plot(h, "Backlog", "waiting", whole, func(s fleet.Sample) float64 {
		if s.Backlog == nil {
			return math.NaN()
		}
		return float64(s.Backlog.Waiting + s.Backlog.Parked)
	})
	return []plot{throughput, latency, backlog}
}

func whole(n float64) string { return layout{}.Number(int(n + 0.5)) }

// plot draws a line for each channel. A value that is not a number is a gap.
func (c *Console) plot(h fleet.History, title, unit string, say func(float64) string, value func(fleet.Sample) float64) plot {
	p := plot{Title: title, Unit: unit, From: h.From, Steps: len(h.Alive)}
	values, top := map[string][]float64{}, 0.0
	for name, samples := range h.Channels {
		if name == fleet.Routing {
			continue
		}
		for _, s := range samples {
			v := value(s)
			values[name] = append(values[name], v)
			if v > top {
				top = v
			}
		}
	}
	top = niceTop(top)
	p.Top = say(top)
	p.Empty = len(values) == 0
	for i, name := range slices.Sorted(maps.Keys(values)) {
		of := values[name]
		p.Lines = append(p.Lines, line{
			Label: c.label(name), Class: fmt.Sprintf("c%d", i%6), Path: pathOf(of, top), Last: say(lastOf(of)), Most: say(mostOf(of)),
		})
	}
	return p
}

// Height and Width are the plane's.
func (p plot) Height() int { return plotHeight }

// Width is the plane's.
func (p plot) Width() int { return plotWidth }

// Says tells the plot in words.
func (p plot) Says() string {
	var parts []string
	for _, l := range p.Lines {
		parts = append(parts, fmt.Sprintf("%s now %s, at most %s", l.Label, l.Last, l.Most))
	}
	return p.Title + " " + p.Unit + " over the last hour: " + strings.Join(parts, "; ")
}

// pathOf joins values, the newest at the right edge.
func pathOf(values []float64, top float64) string {
	var path strings.Builder
	move := true
	step := float64(plotWidth) / max(float64(len(values)-1), 1)
	for i, v := range values {
		if math.IsNaN(v) {
			move = true
			continue
		}
		command := byte('L')
		if move {
			command, move = 'M', false
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", command, float64(i)*step, plotHeight*(1-v/top))
	}
	return path.String()
}

// niceTop is the least round number that takes a value in.
func niceTop(most float64) float64 {
	if most <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, digit := range [...]float64{1, 1.5, 2, 3, 4, 6, 8} {
		if most <= digit*power {
			return digit * power
		}
	}
	return 10 * power
}

func lastOf(values []float64) float64 {
	for _, v := range slices.Backward(values) {
		if !math.IsNaN(v) {
			return v
		}
	}
	return 0
}

func mostOf(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if v > most { // not a number is not
			most = v
		}
	}
	return most
}
