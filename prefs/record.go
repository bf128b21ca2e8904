package prefs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	targetPrefix = "target/"
	offPrefix    = "off "

	// markerLayout is RFC 3339 in UTC with all nine digits, so that the order of
	// the texts is the order of the times: scripts compare them.
	markerLayout = "2006-01-02T15:04:05.000000000Z"
)

// record is a user's prefs hash, read.
type record struct {
	choices    map[Cell]bool
	targets    map[TargetRef]marker
	unreadable []string // names of fields, sorted
}

// marker says that a target is set up, since when, and whether it is on.
type marker struct {
	at     time.Time // set up, or switched off
	off    bool
	reason string // of off
}

func readRecord(fields map[string]string) record {
	var r record
	for field, value := range fields {
		if !r.readTarget(field, value) && !r.readChoice(field, value) {
			r.unreadable = append(r.unreadable, field)
		}
	}
	slices.Sort(r.unreadable)
	return r
}

func (r *record) readTarget(field, value string) bool {
	name, isTarget := strings.CutPrefix(field, targetPrefix)
	if !isTarget {
		return false
	}
	ref := refOf(name)
	m, err := parseMarker(value)
	if err != nil || ref.check() != nil {
		return false
	}
	if r.targets == nil {
		r.targets = make(map[TargetRef]marker)
	}
	r.targets[ref] = m
	return true
}

func (r *record) readChoice(field, value string) bool {
	typeName, channel, found := strings.Cut(field, "/")
	on, understood := parseChoice(value)
	if !found || !understood || strings.Contains(channel, "/") {
		return false
	}
	if r.choices == nil {
		r.choices = make(map[Cell]bool)
	}
	r.choices[Cell{typeName, channel}] = on
	return true
}

// sortedRefs lists the targets by channel and id.
func (r *record) sortedRefs() []TargetRef { return sorted(slices.Collect(maps.Keys(r.targets))) }

func (r *record) targetsOn() []TargetRef  { return r.targetsThatAre(false) }
func (r *record) targetsOff() []TargetRef { return r.targetsThatAre(true) }

func (r *record) targetsThatAre(off bool) []TargetRef {
	var refs []TargetRef
	for ref, m := range r.targets {
		if m.off == off {
			refs = append(refs, ref)
		}
	}
	return sorted(refs)
}

func sorted(refs []TargetRef) []TargetRef {
	slices.SortFunc(refs, func(a, b TargetRef) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID))
	})
	return refs
}

func choiceField(cell Cell) string     { return cell.Type + "/" + cell.Channel }
func markerField(ref TargetRef) string { return targetPrefix + ref.String() }
func onMarker(since time.Time) string  { return since.UTC().Format(markerLayout) }
func offMarker(m marker) string        { return offPrefix + onMarker(m.at) + " " + m.reason }

// choiceValue is "1" or "0", a space, and when it was chosen: seconds of Unix
// time in base 36, which keeps a user's record small.
func choiceValue(on bool, at time.Time) string {
	value := "0 "
	if on {
		value = "1 "
	}
	return value + strconv.FormatInt(at.Unix(), 36)
}

// parseChoice also reads values without a time, as they were saved once.
func parseChoice(value string) (on, ok bool) {
	digit, _, _ := strings.Cut(value, " ")
	return digit == "1", digit == "1" || digit == "0"
}

// chosenAt is zero where the value holds no time.
func chosenAt(value string) time.Time {
	_, text, _ := strings.Cut(value, " ")
	seconds, err := strconv.ParseInt(text, 36, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func parseMarker(value string) (marker, error) {
	var m marker
	text, off := strings.CutPrefix(value, offPrefix)
	if off {
		m.off = true
		text, m.reason, _ = strings.Cut(text, " ")
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return marker{}, fmt.Errorf("read the time in a target's marker: %w", err)
	}
	m.at = at
	return m, nil
}
